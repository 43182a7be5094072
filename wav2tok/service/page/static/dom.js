// Small help with elements: find, make, say.

export const find = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const title = (recording) => (recording.group ? `${recording.group} / ${recording.name}` : recording.name);

export function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}

export function complain(error) {
  find("error").textContent = error.message;
  find("error").hidden = false;
  find("error").scrollIntoView({ block: "nearest" });
  if (!(error instanceof Error) || error.constructor !== Error) throw error; // a fault of the page, for the console
}

export function calm() {
  find("error").hidden = true;
}

// A short text beside the pointer, or below the element that has the focus.
export function tip(text, x, y) {
  const element = find("tip");
  element.hidden = !text;
  if (!text) return;
  element.textContent = text;
  element.style.left = `${Math.max(4, Math.min(x + 10, window.innerWidth - element.offsetWidth - 4))}px`;
  element.style.top = `${y + 44 > window.innerHeight ? y - 40 : y + 16}px`;
}
