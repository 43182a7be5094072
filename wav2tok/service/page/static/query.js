// The sound that is searched for: recorded, chosen, dropped or taken from the collection; a part of it may be used.

import * as api from "./api.js";
import { decode, record, sounding, wav } from "./audio.js";
import { calm, clock, complain, find, make, title } from "./dom.js";
import { levels, spectrogram, waveform } from "./draw.js";
import * as player from "./player.js";
import { head, ribbon } from "./ribbon.js";

let rate = 16000;
let limit = 600;
let changed = () => {};
let recording = null;
export let query = null; // {name, number, samples, rate, seconds, from, to, url}

export const part = () => wav(query, query.from, query.to);

export function start(about, searched) {
  [rate, limit, changed] = [about.sample_rate, about.max_seconds, searched];
  find("record").onclick = () => toggleRecording().catch(failed);
  find("choose").onclick = () => find("file").click();
  find("file").onchange = (event) => event.target.files.length && file(event.target.files[0]);
  dropping();
  trimming();
  player.button(find("sound-play"), () => query && sound(), "Play your sound");
  player.watch((key, time) => {
    const shown = key === "query" ? time : null;
    for (const id of ["picture", "sound-ribbon"]) head(find(id), [0, query?.seconds], shown);
  });
  new ResizeObserver(draw).observe(find("picture"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

export function examples(recordings) {
  const groups = [...new Set(recordings.map((one) => one.group))];
  const picked = groups.length > 2 ? groups.map((group) => recordings.find((one) => one.group === group)) : recordings;
  const step = Math.max(1, Math.floor(picked.length / 3));
  const shown = picked.filter((_, i) => i % step === 0).slice(0, 3);
  find("examples").replaceChildren(
    ...shown.map((one) => make("button", { type: "button", textContent: one.group || one.name, onclick: () => take(one) })),
  );
  return shown[0];
}

// Search with a recording of the collection.
export async function take(one) {
  try {
    await use(await (await fetch(api.audio(one.number))).arrayBuffer(), title(one), one.number);
  } catch (error) {
    failed(error);
  }
}

export async function file(chosen) {
  try {
    await use(await chosen.arrayBuffer(), chosen.name, null);
  } catch (error) {
    failed(error);
  }
}

async function use(bytes, name, number, trim = false) {
  calm();
  const decoded = await decode(bytes, rate);
  const seconds = decoded.samples.length / rate;
  const [from, to] = trim ? sounding(decoded) : [0, Math.min(seconds, limit)];
  if (query) URL.revokeObjectURL(query.url);
  query = { ...decoded, name, number, seconds, from, to, url: URL.createObjectURL(wav(decoded)) };
  find("sound").hidden = false;
  find("sound-name").textContent = name;
  find("sound-length").textContent = clock(seconds);
  find("sound-ribbon").replaceChildren();
  draw();
  changed();
}

function failed(error) {
  complain(error);
  find("file").value = "";
}

async function toggleRecording() {
  if (recording) return recording.stop();
  calm();
  const button = find("record");
  const said = button.lastElementChild;
  button.disabled = true;
  try {
    const heard = [];
    recording = await record((level, seconds) => {
      heard.push(level);
      levels(find("level"), heard);
      button.firstElementChild.style.setProperty("--level", (0.8 + 0.8 * level).toFixed(2));
      said.textContent = `Stop, ${Math.floor(seconds)} s`;
    });
    button.disabled = false;
    find("others").hidden = true;
    find("level").hidden = false;
    button.setAttribute("aria-pressed", "true");
    said.textContent = "Stop, 0 s";
    const bytes = await recording.finished;
    await use(bytes, "Your recording", null, true);
  } finally {
    recording = null;
    find("others").hidden = false;
    find("level").hidden = true;
    button.disabled = false;
    button.setAttribute("aria-pressed", "false");
    said.textContent = "Record";
    button.firstElementChild.style.removeProperty("--level");
  }
}

function sound(start = query.from) {
  return { key: "query", url: query.url, name: query.name, start, end: query.to, number: query.number };
}

// Draw what is known without the program, and the part in use.
function draw() {
  if (!query || !find("picture").clientWidth) return;
  waveform(find("wave"), query);
  spectrogram(find("spectrogram"), query);
  const step = [0.5, 1, 2, 5, 10, 30, 60, 120].find((s) => query.seconds / s <= find("picture").clientWidth / 60) ?? 300;
  const marks = [];
  for (let at = 0; at <= query.seconds - step / 4; at += step) {
    const mark = make("span", { textContent: at === 0 ? "0 s" : String(at) });
    mark.style.left = `${(100 * at) / query.seconds}%`;
    marks.push(mark);
  }
  find("axis").replaceChildren(...marks);
  if (query.string) tokens(query.string);
  bounds();
}

function bounds() {
  const { from, to, seconds } = query;
  const all = from <= 0 && to >= seconds;
  const [before, after] = document.querySelectorAll("#picture .outside");
  before.hidden = after.hidden = all;
  before.style.width = `${(100 * from) / seconds}%`;
  after.style.width = `${100 * (1 - to / seconds)}%`;
  find("whole").hidden = all;
  for (const [id, value] of [["from", from], ["to", to]]) {
    find(id).max = seconds.toFixed(1);
    find(id).value = value.toFixed(1);
  }
}

// Show the tokens of the part in use.
export function tokens(string) {
  query.string = string;
  ribbon(find("sound-ribbon"), string, {
    axis: [0, query.seconds],
    offset: query.from,
    label: "Your sound",
    press: (second) => player.play({ ...sound(second), end: undefined }),
  });
}

function choosePart(from, to) {
  const [low, high] = [Math.max(0, Math.min(from, to)), Math.min(query.seconds, Math.max(from, to))];
  if (!(high - low >= 0.1)) return bounds();
  [query.from, query.to] = [low, high];
  bounds();
  changed();
}

function trimming() {
  const picture = find("picture");
  const second = (event) => {
    const box = picture.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * query.seconds;
  };
  let began = null;
  picture.onpointerdown = (event) => {
    began = { x: event.clientX, at: second(event) };
    picture.setPointerCapture(event.pointerId);
  };
  picture.onpointermove = (event) => {
    if (began && Math.abs(event.clientX - began.x) > 4) {
      [query.from, query.to] = [began.at, second(event)].sort((x, y) => x - y);
      bounds();
    }
  };
  picture.onpointerup = (event) => {
    if (!began) return;
    const drag = Math.abs(event.clientX - began.x) > 4;
    const { at } = began;
    began = null;
    if (drag) choosePart(at, second(event));
    else player.play({ ...sound(at), end: undefined });
  };
  picture.onpointercancel = () => (began = null);
  find("from").onchange = find("to").onchange = () => choosePart(Number(find("from").value), Number(find("to").value));
  find("whole").onclick = () => choosePart(0, query.seconds);
}

function dropping() {
  let depth = 0;
  const files = (event) => event.dataTransfer.types.includes("Files");
  const shown = (change) => {
    depth = Math.max(0, depth + change);
    find("dropping").hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => files(event) && shown(1));
  addEventListener("dragleave", (event) => files(event) && shown(-1));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    shown(-depth);
    file(event.dataTransfer.files[0]);
  });
}
