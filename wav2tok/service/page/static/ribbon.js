// Tokens as coloured blocks: along the time of a recording, and in the columns of an alignment.

import { make, tip } from "./dom.js";
import { colour, surface } from "./draw.js";

const BLOCKS = 1500;

// Blocks on an axis [from, to] in seconds. `offset` is where the string begins; `press(second)` is called for a block.
export function ribbon(target, string, { axis, offset = 0, label, press, place }) {
  const at = (second) => `${(100 * (second - axis[0])) / (axis[1] - axis[0])}%`;
  const wide = (from, to) => `${(100 * (to - from)) / (axis[1] - axis[0])}%`;
  if (string.tokens.length > BLOCKS) return painted(target, string, { axis, offset, label, press });
  const ends = [...string.times_s.slice(1), string.duration_s];
  const blocks = string.tokens.map((token, i) => {
    const [from, to] = [string.times_s[i] + offset, Math.max(ends[i], string.times_s[i]) + offset];
    const text = `token ${token}, ${from.toFixed(2)} to ${to.toFixed(2)} s`;
    const block = make("button", { type: "button", className: "t", tabIndex: i ? -1 : 0, textContent: token });
    block.style.setProperty("--t", token);
    block.style.left = at(from);
    block.style.width = wide(from, to);
    block.setAttribute("aria-label", text);
    block.dataset.token = token;
    block.onclick = () => press(from);
    block.onmousemove = (event) => tip(text, event.clientX, event.clientY);
    block.onfocus = () => {
      const box = block.getBoundingClientRect();
      if (block.matches(":focus-visible")) tip(text, box.left, box.bottom - 12);
    };
    block.onmouseenter = () => mark(token, true);
    block.onmouseleave = () => {
      mark(token, false);
      tip("");
    };
    block.onblur = () => tip("");
    return block;
  });
  target.replaceChildren(...blocks, make("i", { className: "head", hidden: true }));
  target.setAttribute("role", "group");
  target.setAttribute("aria-label", `${label}: ${blocks.length} tokens; arrow keys move from one to the next`);
  target.onkeydown = (event) => {
    const here = blocks.indexOf(document.activeElement);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: blocks.length - 1 }[event.key];
    if (here < 0 || !blocks[to]) return;
    event.preventDefault();
    blocks[here].tabIndex = -1;
    blocks[to].tabIndex = 0;
    blocks[to].focus();
  };
  if (place) {
    const frame = make("i", { className: "place" });
    frame.style.left = at(place[0]);
    frame.style.width = wide(...place);
    target.append(frame);
  }
  const width = target.clientWidth;
  for (const block of blocks) {
    const room = (parseFloat(block.style.width) / 100) * width;
    if (room < 7 * block.textContent.length + 2) block.textContent = "";
  }
}

function mark(token, on) {
  for (const block of document.querySelectorAll(`.ribbon [data-token="${token}"]`)) block.classList.toggle("same", on);
}

// So many tokens that each is thinner than a line: painted, not made of blocks.
function painted(target, string, { axis, offset, label, press }) {
  const canvas = make("canvas", { ariaLabel: `${label}: ${string.tokens.length} tokens`, role: "img" });
  target.replaceChildren(canvas, make("i", { className: "head", hidden: true }));
  const { context, width, height } = surface(canvas);
  string.tokens.forEach((token, i) => {
    const [from, to] = [string.times_s[i], string.times_s[i + 1] ?? string.duration_s];
    const scale = width / (axis[1] - axis[0]);
    context.fillStyle = `hsl(${(token * 137.508) % 360} 62% ${colour("--token-l")})`;
    context.fillRect((from + offset - axis[0]) * scale, 0, Math.max((to - from) * scale, 0.5), height);
  });
  canvas.onclick = (event) => press(axis[0] + (event.offsetX / width) * (axis[1] - axis[0]));
}

// Show where the player is; null hides it.
export function head(target, axis, time) {
  const line = target.querySelector(".head");
  if (!line) return;
  line.hidden = time === null || time < axis[0] || time > axis[1];
  if (!line.hidden) line.style.left = `${(100 * (time - axis[0])) / (axis[1] - axis[0])}%`;
}

// Columns of (ours, theirs), above each other: colours where both have the same token.
export function strip(target, { columns, counts }, ours, theirs) {
  const cells = columns.map(([above, below]) => {
    const same = above === below;
    const cell = make("span", { className: same ? "" : "other" });
    for (const token of [above, below]) {
      const half = make("i", { className: token === null ? "gap" : same ? "t" : "" });
      if (same) half.style.setProperty("--t", token);
      cell.append(half);
    }
    const shown = (token) => (token === null ? "none" : token);
    cell.onmousemove = (event) => tip(same ? `token ${above} in both` : `${ours}: ${shown(above)}, ${theirs}: ${shown(below)}`, event.clientX, event.clientY);
    cell.onmouseleave = () => tip("");
    return cell;
  });
  const all = counts.same + counts.replaced + counts.ours + counts.theirs;
  const parts = [`${counts.same} of ${all} tokens are the same`];
  if (counts.replaced) parts.push(`${counts.replaced} differ`);
  if (counts.ours) parts.push(`${counts.ours} only in ${ours}`);
  if (counts.theirs) parts.push(`${counts.theirs} only in ${theirs}`);
  if (all > columns.length) parts.push(`the first ${columns.length} are shown`);
  target.replaceChildren(...cells);
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", parts.join(", "));
  return parts.join(", ");
}
