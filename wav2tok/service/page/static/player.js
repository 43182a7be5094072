// One player for the page: what is heard, from where to where, and the buttons that show it.

import { find, clock, tip } from "./dom.js";

const element = new Audio();
const watchers = new Set();
const buttons = new Map(); // button -> the sound that it plays
let sound = null;
let frame = 0;

// A sound: {key, url, name, start, end, number}; number is null if it is not of the collection.
export function play(next) {
  if (sound?.key !== next.key || sound.url !== next.url) {
    element.src = next.url;
    find("player").hidden = false;
  }
  sound = next;
  find("player-name").textContent = next.name;
  find("player-search").hidden = next.number === null;
  element.currentTime = next.start ?? 0;
  element.play().catch((error) => {
    if (error.name !== "AbortError") find("player-time").textContent = "cannot be played";
  });
}

export function toggle(next) {
  if (sound?.key === next.key && !element.paused) element.pause();
  else play(next);
}

// A button that plays and pauses a sound; `now` gives it, when pressed.
export function button(target, now, label) {
  target.type = "button";
  target.className = "play";
  target.setAttribute("aria-label", label);
  target.onclick = () => toggle(now());
  buttons.set(target, now);
  show();
  return target;
}

// Call `watcher(key, seconds)` while something is heard, and with seconds null when it stops.
export function watch(watcher) {
  watchers.add(watcher);
}

export const playing = () => (element.paused ? null : sound);

function show() {
  const key = element.paused ? null : sound?.key;
  for (const [target, now] of buttons) {
    if (!target.isConnected && target.dataset.shown) buttons.delete(target);
    else {
      if (target.isConnected) target.dataset.shown = "yes";
      target.setAttribute("aria-pressed", String(key !== null && now()?.key === key));
    }
  }
  find("player-play").setAttribute("aria-pressed", String(key !== null));
}

function tick() {
  cancelAnimationFrame(frame);
  if (!sound) return;
  const time = element.currentTime;
  if (sound.end !== undefined && time >= sound.end && !element.paused) element.pause();
  watchers.forEach((watcher) => watcher(sound.key, element.paused ? null : time));
  const length = Number.isFinite(element.duration) ? element.duration : 0;
  find("player-place").max = length;
  find("player-place").value = time;
  find("player-time").textContent = `${clock(time)} / ${clock(length)}`;
  if (!element.paused) frame = requestAnimationFrame(tick);
}

for (const name of ["play", "pause", "ended", "seeked", "loadedmetadata"]) {
  element.addEventListener(name, () => {
    show();
    tick();
  });
}
element.addEventListener("error", () => {
  if (sound) find("player-time").textContent = "cannot be played";
});

export function start(search) {
  const pause = button(find("player-play"), () => sound, "Play or pause");
  pause.onclick = () => {
    sound = { ...sound, end: undefined };
    if (element.paused) element.play();
    else element.pause();
  };
  find("player-place").oninput = (event) => {
    sound = { ...sound, end: undefined };
    element.currentTime = Number(event.target.value);
  };
  find("player-search").onclick = () => search(sound.number);
  find("player-close").onclick = () => {
    element.pause();
    find("player").hidden = true;
    tip("");
  };
}
