// Two recordings above each other: their tokens in time, links between equal ones, and the alignment.

import * as api from "./api.js";
import { decode, wav } from "./audio.js";
import { complain, find, make, title } from "./dom.js";
import { surface } from "./draw.js";
import * as player from "./player.js";
import { query, part } from "./query.js";
import { head, ribbon, strip } from "./ribbon.js";

const YOURS = "yours";
let rate = 16000;
let answer = null;
let round = 0;

export function start(about) {
  rate = about.sample_rate;
  for (const id of ["a", "b"]) find(id).onchange = () => run().catch(complain);
  new ResizeObserver(draw).observe(find("ribbons"));
  player.watch((key, time) => {
    for (const id of ["a", "b"]) {
      head(find(`ribbon-${id}`), [0, longest()], key === `pair-${find(id).value}` ? time : null);
    }
  });
}

export function fill(recordings) {
  for (const id of ["a", "b"]) {
    const chosen = find(id).value;
    const groups = Map.groupBy ? Map.groupBy(recordings, (one) => one.group) : grouped(recordings);
    const lists = [...groups].map(([group, inside]) => {
      const options = inside.map((one) => make("option", { value: one.number, textContent: title(one) }));
      return group ? make("optgroup", { label: group }, ...options) : options;
    });
    find(id).replaceChildren(...lists.flat());
    if (chosen) find(id).value = chosen;
  }
}

function grouped(recordings) {
  const groups = new Map();
  for (const one of recordings) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return groups;
}

// Offer the present sound as A.
export function offer() {
  find("a").querySelector(`option[value=${YOURS}]`)?.remove();
  if (query.number === null) find("a").prepend(make("option", { value: YOURS, textContent: query.name }));
  find("a").value = query.number ?? YOURS;
}

export function pick(number) {
  find("b").value = number;
  return run();
}

async function sound(id) {
  const { value } = find(id);
  if (value === YOURS) return part();
  const bytes = await (await fetch(api.audio(value))).arrayBuffer();
  return wav(await decode(bytes, rate));
}

async function run() {
  const mine = ++round;
  const found = await api.compare(await sound("a"), await sound("b"));
  if (mine !== round) return;
  answer = { ...found, ids: [find("a").value, find("b").value] };
  find("ribbons").hidden = false;
  const said = strip(find("pair-strip"), answer.alignment, "A", "B");
  find("verdict").replaceChildren(
    make("b", { textContent: `${Math.round(100 * (1 - answer.distance))} % alike` }),
    `, at an edit distance of ${answer.distance.toFixed(2)}: ${said}.`,
  );
  draw();
}

const longest = () => Math.max(...(answer?.recordings ?? []).map((one) => one.duration_s), 0.1);

function draw() {
  if (!answer) return;
  const seconds = longest();
  ["a", "b"].forEach((id, i) => {
    const value = answer.ids[i];
    const url = value === YOURS ? query.url : api.audio(value);
    const name = find(id).selectedOptions[0]?.textContent ?? "";
    const shift = value === YOURS ? query.from : 0;
    ribbon(find(`ribbon-${id}`), answer.recordings[i], {
      axis: [0, seconds],
      label: `${id.toUpperCase()}, ${name}`,
      press: (second) => player.play({ key: `pair-${value}`, url, name, start: second + shift, number: value === YOURS ? null : Number(value) }),
    });
  });
  links(seconds);
}

function links(seconds) {
  const { context, width, height } = surface(find("links"));
  const [above, below] = answer.recordings.map((one) => {
    const ends = [...one.times_s.slice(1), one.duration_s];
    return one.times_s.map((from, i) => (((from + ends[i]) / 2) * width) / seconds);
  });
  let [i, j] = [0, 0];
  for (const [ours, theirs] of answer.alignment.columns) {
    if (ours !== null && ours === theirs) {
      context.beginPath();
      context.moveTo(above[i], 2);
      context.bezierCurveTo(above[i], height / 2, below[j], height / 2, below[j], height - 2);
      context.lineWidth = 2.5;
      context.strokeStyle = `hsl(${(ours * 137.508) % 360} 55% 58%)`;
      context.stroke();
    }
    i += ours !== null;
    j += theirs !== null;
  }
}
