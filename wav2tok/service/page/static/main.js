// The page: wait for the collection, then search with each new sound.

import * as api from "./api.js";
import * as collection from "./collection.js";
import * as compare from "./compare.js";
import { calm, clock, complain, find } from "./dom.js";
import * as player from "./player.js";
import * as query from "./query.js";
import * as results from "./results.js";

let recordings = [];
let round = 0;

async function search() {
  const mine = ++round;
  find("list").classList.add("stale");
  try {
    const by = document.querySelector("[name=by]:checked").value;
    const answer = await api.search(query.part(), by, query.query.number);
    if (mine !== round) return; // another sound was chosen meanwhile
    calm();
    query.tokens(answer.query);
    find("matches").hidden = false;
    results.show(answer, {
      searched: recordings.length,
      compare: (match) => compare.pick(match.number).then(() => find("compare").scrollIntoView()).catch(complain),
      again,
    });
    collection.mark(query.query.number, answer.matches);
    compare.offer();
    if (answer.matches.length) await compare.pick(answer.matches[0].number);
  } catch (error) {
    find("matches").hidden = true;
    complain(error);
  } finally {
    if (mine === round) find("list").classList.remove("stale");
  }
}

async function again({ number }) {
  await query.take(recordings[number]);
  find("ask").scrollIntoView();
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Show how far the collection is until it can be searched; returns what the program says of itself.
async function ready() {
  const [said, bar] = find("progress").children;
  for (;;) {
    const state = await api.state();
    if (state.error) throw new Error(state.error.charAt(0).toUpperCase() + state.error.slice(1));
    if (state.ready) return state;
    said.textContent = state.loaded
      ? `Tokenizing the collection: ${state.done} of ${state.total} recordings`
      : `Loading the model ${state.model}`;
    if (state.loaded && state.total) [bar.max, bar.value] = [state.total, state.done];
    await wait(400);
  }
}

async function run() {
  const about = await ready();
  find("progress").hidden = true;
  recordings = await api.recordings();
  const seconds = recordings.reduce((sum, one) => sum + one.duration_s, 0);
  const folders = new Set(recordings.map((one) => one.group)).size;
  const unread = about.unreadable ? ` ${about.unreadable} could not be read: ${about.failures[0].error}` : "";
  find("about").textContent =
    `${recordings.length} recordings, ${clock(seconds).split(".")[0]} minutes, in ${folders} ${folders === 1 ? "folder" : "folders"} ` +
    `of ${about.folder}. What sounds alike is near; the ringed ones match your sound. Press one to hear it.${unread}`;
  find("model").textContent = `${about.model}, ${about.num_tokens} tokens, wav2tok ${about.version}. No recording leaves this machine.`;
  player.start((number) => again({ number }));
  query.start(about, search);
  results.start();
  collection.start();
  compare.start(about);
  for (const radio of document.querySelectorAll("[name=by]")) radio.onchange = () => query.query && search();
  for (const id of ["ask", "collection", "compare", "model"]) find(id).hidden = false;
  compare.fill(recordings);
  collection.show(recordings);
  await query.take(query.examples(recordings)); // so that there is something to see at once
  while (!(await api.state()).mapped) await wait(500);
  recordings = await api.recordings();
  collection.show(recordings);
}

run().catch((error) => {
  find("progress").hidden = true;
  complain(error);
});
