"use strict";
{
  const PER_PAGE = 10;
  const data = JSON.parse(document.getElementById("answers").textContent);
  const part = (name) => document.querySelector(`#queries [data-part=${name}]`);
  const [filter, outcome, order, rows, range, ranks, player] =
    ["class", "outcome", "order", "rows", "range", "ranks", "player"].map(part);
  const classOf = (recording) => (data.classes ? data.classes[recording] : "");
  const label = (recording) => (data.classes ? `${data.classes[recording]}: ` : "") + data.names[recording];
  const byName = (one, two) => data.names[one.asks].localeCompare(data.names[two.asks]);
  const depth = (query) => query.first || Infinity;
  const ORDERS = {
    worst: () => 0, // as they come
    best: () => 0,
    first: (one, two) => (depth(one) === depth(two) ? 0 : depth(two) - depth(one)),
    class: (one, two) => classOf(one.asks).localeCompare(classOf(two.asks)),
    name: byName,
  };
  let shown = [];
  let start = 0;
  let chosen = null;

  const element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const cell = (content, className = "") => {
    const made = element("td", "", className ? { class: className } : {});
    made.append(content);
    return made;
  };

  const play = (button) => {
    for (const other of ranks.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    button.closest("tr").scrollIntoView({ block: "nearest" });
    part("playing").textContent = button.title;
    player.src = `data:${data.mime};base64,${button.sound}`;
    player.play().catch(() => {});
  };

  const playButton = (sound, label) => {
    if (!sound) return element("span", "–", { title: "not in this page" });
    const made = element("button", "▶", { type: "button", title: label, "aria-label": `play ${label}`, "aria-pressed": "false" });
    made.sound = sound;
    made.addEventListener("click", () => play(made));
    return made;
  };

  const answer = (rank, recording, sound, distance, state, tokens) => {
    const row = element("tr", "", { class: state });
    row.append(
      cell(rank),
      cell(playButton(sound, `${rank}: ${label(recording)}`)),
      cell(label(recording)),
      cell({ right: "✓", wrong: "✗", query: "" }[state]),
      cell(distance, "number"),
      cell(String(tokens), "number"),
    );
    return row;
  };

  const choose = (query) => {
    chosen = query;
    player.pause();
    player.removeAttribute("src");
    part("playing").textContent = "";
    const right = new Set(query.right);
    part("title").textContent =
      `${label(query.asks)}: ` +
      (query.first ? `first right answer at rank ${query.first} of ${query.order.length}` : "no right answer");
    ranks.replaceChildren(
      answer("query", query.asks, query.sound || (query.changed ? null : data.sounds[query.asks]), "", "query", query.tokens),
      ...query.order.map((recording, i) =>
        answer(String(i + 1), recording, data.sounds[recording], query.distances[i].toFixed(3),
          right.has(i) ? "right" : "wrong", data.tokens[recording])),
    );
    ranks.closest(".box").scrollTop = 0;
    for (const row of rows.children) row.setAttribute("aria-current", String(row.query === query));
  };

  const draw = () => {
    rows.replaceChildren(...shown.slice(start, start + PER_PAGE).map((query) => {
      const row = element("tr", "", { "aria-current": String(query === chosen) });
      row.query = query;
      const open = element("button", label(query.asks), { type: "button", class: "link" });
      open.addEventListener("click", () => {
        choose(query);
        if (matchMedia("(max-width: 64rem)").matches) part("title").scrollIntoView({ block: "start" });
      });
      const nearest = query.order.length ? (data.classes || data.names)[query.order[0]] : "no answer";
      const mark = query.first === 1 ? "✓ " : "✗ ";
      row.append(cell(open),
        cell(query.first ? String(query.first) : "none", "number"), cell(query.precision.toFixed(3), "number"),
        cell(mark + nearest, query.first === 1 ? "right" : "wrong"));
      return row;
    }));
    const end = Math.min(start + PER_PAGE, shown.length);
    range.textContent = shown.length ? `${start + 1}–${end} of ${shown.length}` : "no such query";
    part("previous").disabled = start === 0;
    part("next").disabled = end >= shown.length;
  };

  const select = () => {
    shown = data.queries.filter((query) =>
      (!filter || filter.value === "" || classOf(query.asks) === data.choices[Number(filter.value)]) &&
      (outcome.value === "" || (query.first === 1) === (outcome.value === "right")));
    shown.sort(ORDERS[order.value]); // a stable sort: equals stay in their order, the worst first
    if (order.value === "best") shown.reverse();
    start = 0;
    draw();
    if (shown.length && !shown.includes(chosen)) choose(shown[0]);
  };

  if (data.classes) {
    data.choices = [...new Set(data.queries.map((query) => classOf(query.asks)))].sort((a, b) => a.localeCompare(b));
    data.choices.forEach((name, i) => filter.append(element("option", name, { value: String(i) })));
  }
  for (const control of [filter, outcome, order]) if (control) control.addEventListener("change", select);
  part("previous").addEventListener("click", () => { start -= PER_PAGE; draw(); });
  part("next").addEventListener("click", () => { start += PER_PAGE; draw(); });
  player.addEventListener("ended", () => {
    if (!part("on").checked) return;
    const buttons = [...ranks.querySelectorAll("button")];
    const next = buttons[buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true") + 1];
    if (next) play(next);
  });
  select();
  for (const hidden of document.querySelectorAll("#queries [hidden]")) hidden.hidden = false;
}
