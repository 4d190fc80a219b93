// Draws every section, one after the other; the words and tables can be read meanwhile.

import { inflated, unpacked } from "./unpacking.js";

const root = document.documentElement;

async function load() {
  const code = new TextDecoder().decode(await inflated(document.getElementById("library").textContent));
  const script = document.createElement("script");
  script.textContent = code;
  document.head.append(script);
}

async function arraysOf(packed) {
  const pairs = Object.entries(packed).map(async ([name, array]) => [name, await unpacked(array)]);
  return Object.fromEntries(await Promise.all(pairs));
}

export async function drawReport(drawers) {
  const contents = JSON.parse(document.getElementById("contents").textContent);
  const parts = contents.filter(({ name }) => drawers[name]);
  const [arrays] = await Promise.all([Promise.all(parts.map((part) => arraysOf(part.arrays))), load()]);
  for (const [i, { name, data }] of parts.entries()) {
    const section = document.getElementById(name);
    await drawers[name](section, data, arrays[i]);
    section.dataset.drawn = Math.round(performance.now()); // ms since the page was opened
  }
  root.dataset.drawn = Math.round(performance.now());
}

addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason?.message ?? event.reason));

function fail(why) {
  const notice = document.getElementById("trouble");
  notice.textContent = `A chart could not be drawn: ${why}. The tables and the files of the run are complete.`;
  notice.hidden = false;
}
