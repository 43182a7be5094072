// The matches: ranked, with their tokens, their alignment with the query, and players that start at their place.

import * as api from "./api.js";
import { clock, find, make, title } from "./dom.js";
import * as player from "./player.js";
import { head, ribbon, strip } from "./ribbon.js";

let shown = []; // {key, match, ribbon}

export function start() {
  player.watch((key, time) => {
    for (const one of shown) head(one.ribbon, one.match.shown_s, one.key === key ? time : null);
  });
}

export function show(answer, { searched, compare, again }) {
  const { matches } = answer;
  shown = [];
  const items = matches.map((match, rank) => item(match, rank, { compare, again }));
  find("list").replaceChildren(...items);
  for (const one of shown) draw(one);
  const took = (ms) => (ms < 10 ? ms.toFixed(1) : Math.round(ms));
  find("summary").textContent = matches.length
    ? `The ${matches.length} nearest of ${searched} recordings. Tokens took ${took(answer.tokenize_ms)} ms, the search ${took(answer.search_ms)} ms.`
    : "Nothing matches. Use a longer sound.";
}

function item(match, rank, { compare, again }) {
  const key = `match-${match.number}-${rank}`;
  const name = title(match);
  const [place, bars] = [make("div", { className: "ribbon" }), make("div", { className: "strip" })];
  const said = strip(bars, match.alignment, "yours", "the match");
  const sound = (start = match.start_s, end = match.end_s) => ({ key, url: api.audio(match.number), name, start, end, number: match.number });
  shown.push({ key, match, ribbon: place, sound });
  const fill = make("i");
  fill.style.width = `${Math.max(0, match.similarity)}%`;
  return make(
    "li",
    {},
    player.button(make("button"), () => sound(), `Play ${name} from ${match.start_s.toFixed(1)} seconds`),
    make("div", { className: "name" }, make("b", { textContent: match.group || match.name }), make("span", { className: "soft", textContent: match.group ? match.name : "" })),
    make(
      "div",
      { className: "score" },
      make("b", { textContent: `${Math.round(match.similarity)} % ` }, make("small", { textContent: "alike" })),
      make("span", { className: "meter" }, fill),
      make("span", { className: "soft", textContent: match.start_s < 0.05 ? "from the start" : `from ${clock(match.start_s)}` }),
      make("span", { className: "soft", ...chance(match) }),
    ),
    make("div", { className: "both", title: said }, place, bars),
    make(
      "div",
      { className: "more" },
      make("button", { type: "button", textContent: "Compare", onclick: () => compare(match), ariaLabel: `Compare with ${name}` }),
      make("button", { type: "button", textContent: "More", onclick: () => again(match), ariaLabel: `Find more like ${name}` }),
    ),
  );
}

// How many matches as near chance would bring, in words, if the index says it.
function chance({ expected_by_chance: expected }) {
  if (expected === undefined) return {};
  const words = expected >= 0.5 ? "could be chance" : expected >= 0.01 ? `chance: 1 in ${Math.round(1 / expected)}` : "not by chance";
  return { textContent: words, title: `Chance would bring ${expected.toPrecision(2)} matches as near in this collection` };
}

function draw({ match, ribbon: target, sound }) {
  const part = match.start_s > match.shown_s[0] + 0.3 || match.end_s < match.shown_s[1] - 0.3;
  ribbon(target, match, {
    axis: match.shown_s,
    label: title(match),
    press: (second) => player.play(sound(second, undefined)),
    place: part ? [match.start_s, match.end_s] : null,
  });
}
