// The collection as a map and as a list: the same recordings, to hear and to search with.

import * as api from "./api.js";
import { find, make, tip, title } from "./dom.js";
import { colour, surface } from "./draw.js";
import * as player from "./player.js";

const NEAR = 14; // pixels
const LABELS = 40;
let recordings = [];
let groups = [];
let ranks = new Map(); // number -> rank among the matches
let asked = null;
let over = null;

export const sound = (one) => ({ key: `map-${one.number}`, url: api.audio(one.number), name: title(one), start: 0, number: one.number });

export function start() {
  const plane = find("plane");
  new ResizeObserver(draw).observe(plane);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  plane.onmousemove = (event) => point(nearest(event), event);
  plane.onmouseleave = () => point(null);
  plane.onclick = (event) => {
    const one = nearest(event);
    if (one) player.toggle(sound(one));
  };
  player.watch(() => {
    const heard = player.playing()?.number;
    for (const button of find("folders").querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.number) === heard));
    }
    draw();
  });
}

export function show(listed) {
  recordings = listed;
  groups = [...new Set(listed.map((one) => one.group))];
  const open = new Set([...find("folders").querySelectorAll("details[open]")].map((one) => one.dataset.group));
  find("folders").replaceChildren(...groups.map((group, i) => folder(group, i, open.has(group) || groups.length === 1)));
  find("plane-wait").hidden = listed[0]?.x !== undefined;
  draw();
}

// Mark what was asked and what matched.
export function mark(number, matches) {
  asked = number;
  ranks = new Map(matches.map((match, i) => [match.number, i + 1]).reverse());
  draw();
}

function folder(group, index, open) {
  const inside = recordings.filter((one) => one.group === group);
  const list = make("div");
  const summary = make("summary", {}, group || "recordings", make("span", { className: "soft", textContent: inside.length }));
  summary.style.setProperty("--g", index);
  const box = make("details", {}, summary, list);
  box.dataset.group = group;
  // A folder's buttons are made when it is opened: there may be thousands.
  box.ontoggle = () => {
    if (!box.open || list.childElementCount) return;
    list.append(
      ...inside.map((one) => {
        const button = make("button", { type: "button", textContent: one.name, onclick: () => player.toggle(sound(one)), ariaLabel: `Play ${title(one)}` });
        button.dataset.number = one.number;
        button.onfocus = button.onmouseenter = () => point(one);
        button.onblur = button.onmouseleave = () => point(null);
        return button;
      }),
    );
  };
  box.open = open;
  return box;
}

function place(one, width, height) {
  const [across, down] = [width / 2 - (width < 500 ? 44 : 70), height / 2 - 34];
  return [width / 2 + across * one.x, height / 2 + down * one.y];
}

function nearest(event) {
  const plane = find("plane");
  const box = plane.getBoundingClientRect();
  let [best, least] = [null, NEAR ** 2];
  for (const one of recordings) {
    if (one.x === undefined) return null;
    const [x, y] = place(one, box.width, box.height);
    const square = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
    if (square < least) [best, least] = [one, square];
  }
  return best;
}

function point(one, event) {
  if (event) tip(one ? title(one) : "", event.clientX, event.clientY);
  else if (!one) tip("");
  if (over === one) return;
  over = one;
  draw();
}

function draw() {
  if (recordings[0]?.x === undefined) return;
  const { context, width, height } = surface(find("plane"));
  if (!width) return;
  const heard = player.playing()?.number;
  const hue = (group) => (groups.indexOf(group) * 137.508) % 360;
  const radius = recordings.length > 1500 ? 3 : recordings.length > 300 ? 4.5 : width < 500 ? 5 : 6.5;
  const fill = new Map(groups.map((group) => [group, `hsl(${hue(group)} 65% 50%)`]));
  for (const one of recordings) {
    const [x, y] = place(one, width, height);
    const rank = ranks.get(one.number);
    const strong = one === over || one.number === heard;
    context.globalAlpha = rank || one.number === asked || strong || !ranks.size ? 1 : 0.55;
    context.beginPath();
    context.arc(x, y, strong ? radius + 3 : radius, 0, 2 * Math.PI);
    context.fillStyle = fill.get(one.group);
    context.fill();
    if (rank || one.number === asked || strong) {
      context.lineWidth = one.number === asked ? 3.5 : 2;
      context.strokeStyle = colour("--ink");
      context.stroke();
    }
  }
  context.globalAlpha = 1;
  if (groups.length > LABELS) return;
  const taken = [];
  for (const group of groups) label(context, group, width, height, radius, taken);
}

// A folder's name above its middle, unless another name is there.
function label(context, group, width, height, radius, taken) {
  const points = recordings.filter((one) => one.group === group).map((one) => place(one, width, height));
  const middle = (axis) => points.map((point) => point[axis]).sort((a, b) => a - b)[points.length >> 1];
  const near = points.filter(([x, y]) => Math.hypot(x - middle(0), y - middle(1)) < 90);
  context.font = width < 500 ? "10px system-ui, sans-serif" : "12px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = colour("--card");
  context.fillStyle = colour("--ink");
  const half = context.measureText(group).width / 2 + 4;
  const x = Math.max(half, Math.min(width - half, middle(0)));
  const y = Math.max(14, Math.min(...near.map(([, top]) => top)) - radius - 6);
  if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 14)) return;
  taken.push({ x, y, half });
  context.strokeText(group, x, y);
  context.fillText(group, x, y);
}
