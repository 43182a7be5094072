// What the program is asked, and its errors as sentences.

async function json(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The program does not answer. Is wav2tok demo still running?");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(sentence(content.error));
  return content;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const state = () => json("/page/state");
export const recordings = async () => (await json("/page/recordings")).recordings;
export const audio = (number) => `/page/audio/${number}`;

export function search(wav, by, leaveOut) {
  const also = leaveOut === null ? "" : `&leave_out=${leaveOut}`;
  return json(`/page/search?by=${by}${also}`, { method: "POST", body: wav, headers: { "Content-Type": "audio/wav" } });
}

export function compare(a, b) {
  const form = new FormData();
  form.append("file", a, "A.wav");
  form.append("file", b, "B.wav");
  return json("/page/compare", { method: "POST", body: form });
}
