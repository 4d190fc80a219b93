// Draws every section, one after the other, what one sees first; words and tables can be read meanwhile.
// Each notes when it was drawn, in ms since the page was opened; the page itself notes when all was
// that lies within the first two screens (`viewed`), and when everything was (`drawn`).

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
  await load();
  const near = parts.filter(({ name }) => isNear(document.getElementById(name)));
  const rest = parts.filter((part) => !near.includes(part));
  for (const part of near) await drawPart(part, drawers);
  root.dataset.viewed = Math.round(performance.now());
  for (const part of rest) await drawPart(part, drawers);
  root.dataset.drawn = Math.round(performance.now());
}

async function drawPart({ name, data, arrays }, drawers) {
  const section = document.getElementById(name);
  await drawers[name](section, data, await arraysOf(arrays));
  section.dataset.drawn = Math.round(performance.now());
}

// Whether any of it is on the screen, or less than one screen away.
function isNear(section) {
  const { top, bottom } = section.getBoundingClientRect();
  return top < 2 * innerHeight && bottom > -innerHeight;
}

addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason?.message ?? event.reason));

function fail(why) {
  const notice = document.getElementById("trouble");
  notice.textContent = `A chart could not be drawn: ${why}. The tables and the files of the run are complete.`;
  notice.hidden = false;
}
