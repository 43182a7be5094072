// Tokens as coloured blocks: along the time of a recording, and in the columns of an alignment.

import { make, tip } from "./dom.js";

// Blocks on an axis of `seconds`. `offset` is where the string begins on it; `press(second)` is called for a block.
export function ribbon(target, string, { seconds, offset = 0, label, press, place }) {
  const ends = [...string.times_s.slice(1), string.duration_s];
  const blocks = string.tokens.map((token, i) => {
    const [from, to] = [string.times_s[i] + offset, Math.max(ends[i], string.times_s[i]) + offset];
    const text = `token ${token}, ${from.toFixed(2)} to ${to.toFixed(2)} s`;
    const block = make("button", { type: "button", className: "t", tabIndex: i ? -1 : 0, textContent: token });
    block.style.setProperty("--t", token);
    block.style.left = `${(100 * from) / seconds}%`;
    block.style.width = `${(100 * (to - from)) / seconds}%`;
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
    const at = blocks.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: blocks.length - 1 }[event.key];
    if (at < 0 || !blocks[to]) return;
    event.preventDefault();
    blocks[at].tabIndex = -1;
    blocks[to].tabIndex = 0;
    blocks[to].focus();
  };
  if (place) {
    const frame = make("i", { className: "place" });
    frame.style.left = `${(100 * place[0]) / seconds}%`;
    frame.style.width = `${(100 * (place[1] - place[0])) / seconds}%`;
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

export function head(target, seconds, time) {
  const line = target.querySelector(".head");
  if (!line) return;
  line.hidden = time === null;
  if (time !== null) line.style.left = `${(100 * time) / seconds}%`;
}

// Columns of (ours, theirs), above each other: colours where both have the same token.
export function strip(target, columns, ours, theirs) {
  const counts = { same: 0, replaced: 0, ours: 0, theirs: 0 };
  const cells = columns.map(([above, below]) => {
    const same = above === below;
    counts[same ? "same" : above === null ? "theirs" : below === null ? "ours" : "replaced"]++;
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
  const parts = [`${counts.same} of ${columns.length} tokens are the same`];
  if (counts.replaced) parts.push(`${counts.replaced} differ`);
  if (counts.ours) parts.push(`${counts.ours} only in ${ours}`);
  if (counts.theirs) parts.push(`${counts.theirs} only in ${theirs}`);
  target.replaceChildren(...cells);
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", parts.join(", "));
  return parts.join(", ");
}
