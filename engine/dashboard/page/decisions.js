// The last candidate bars: what the rules and the ensemble said, and why it was traded or not.

import { el, time } from "./dom.js";
import * as format from "./format.js";

const OUTCOMES = {
  entered: ["Entered", "good"],
  ordered: ["Ordered", "good"],
  score_below: ["Score too low", "quiet"],
  in_position: ["In position", "quiet"],
  vetoed: ["Vetoed", "warn"],
  too_small: ["Too small", "warn"],
  rejected: ["Refused", "warn"],
  missed: ["Missed", "warn"],
};

const outcome = (name) => OUTCOMES[name] ?? [format.words(name), "quiet"];

export const keyOf = (decision) => `${decision.symbol} ${decision.decided_at}`;

export function decision(item) {
  const [name, tone] = outcome(item.outcome);
  return el("li", {},
    el("details.decision", { "data-tone": tone },
      el("summary", {},
        el("span.when", {}, time(item.decided_at, format.clock(item.decided_at)), el("small", {}, format.day(item.decided_at))),
        el("span.symbol", {}, item.symbol),
        el("span.badge", {}, name),
        el("span.why", {}, item.why),
        meter(item),
      ),
      el("div.detail", {}, rules(item), ensemble(item)),
    ),
  );
}

// The score as a row of blocks, one for each rule that held, and where an entry begins.
function meter(item) {
  const most = Math.max(item.most, item.score, item.needed ?? 0) || 1;
  const needs = item.needed == null ? "" : ` of ${item.needed} that an entry needs`;
  const row = el("span.meter", { role: "img", "aria-label": `score ${item.score}${needs}` });
  const held = item.rules.filter((rule) => rule.points > 0);
  const loss = Math.max(0, -item.ml.points);
  for (const rule of held) row.append(block("rule", rule.points / most));
  if (item.ml.points > 0) row.append(block("ml", item.ml.points / most));
  if (loss) row.append(block("loss", loss / most));
  if (item.needed != null) {
    const mark = el("span.needed");
    mark.style.left = `${(100 * item.needed) / most}%`;
    row.append(mark);
  }
  return el("span.score", {}, row, el("span.total", { "aria-hidden": "true" }, String(item.score)));
}

function block(kind, share) {
  const made = el(`span.${kind}`);
  made.style.width = `${100 * share}%`;
  if (kind === "loss") made.style.marginLeft = `${-100 * share}%`; // what the ensemble took away again
  return made;
}

function rules(item) {
  const head = el("tr", {}, ...["Rule", "Found", "Must be", "Points"].map((name) => el("th", { scope: "col" }, name)));
  const rows = item.rules.map((rule) =>
    el("tr", { "data-held": rule.points > 0 },
      el("th", { scope: "row" }, rule.name),
      el("td", {}, rule.found ?? "–"),
      el("td", {}, rule.asked ?? "–"),
      el("td.points", {}, rule.points ? format.points(rule.points) : "–", rule.worth == null ? null : el("small", {}, ` of ${rule.worth}`)),
    ));
  const ml = el("tr", { "data-held": item.ml.points > 0, "data-lost": item.ml.points < 0 },
    el("th", { scope: "row" }, "ensemble"),
    el("td", {}, item.ml.said),
    el("td", {}, item.ml.step ?? "–"),
    el("td.points", {}, item.ml.asked === "answered" ? format.points(item.ml.points) : "–"));
  const total = el("tr.sum", {},
    el("th", { scope: "row" }, "score"), el("td"), el("td", {}, item.needed == null ? "–" : `${item.needed} or more`),
    el("td.points", {}, String(item.score)));
  return el("table", {},
    el("caption.unseen", {}, `Points of ${item.symbol} at ${format.moment(item.decided_at)}`),
    el("thead", {}, head), el("tbody", {}, ...rows, ml, total));
}

function ensemble(item) {
  const names = Object.entries(item.ml.votes);
  const heading = el("h3", {}, "Votes of the ensemble");
  if (!names.length) return el("div.votes", {}, heading, el("p.none", {}, item.ml.reason ?? item.ml.said));
  return el("div.votes", {}, heading,
    el("ul", {}, ...names.map(([name, vote]) => voteRow(format.words(name), vote)),
      voteRow("together", item.ml.probability, "together")),
    el("p.scale", { "aria-hidden": "true" }, el("span", {}, "against"), el("span", {}, "0.5"), el("span", {}, "for")),
    item.ml.reason ? el("p.note", {}, `left out: ${item.ml.reason}`) : null);
}

function voteRow(name, vote, kind = "member") {
  const dot = el("span.vote");
  dot.style.left = `${100 * vote}%`;
  return el(`li.${kind}`, { "data-for": vote >= 0.5 },
    el("span.name", {}, name),
    el("span.track", { "aria-hidden": "true" }, dot),
    el("span.number", {}, vote.toFixed(3)));
}

// Of the candidate bars listed: how many came to what.
export function tally(items) {
  if (!items.length) return "";
  const count = new Map();
  for (const item of items) count.set(item.outcome, (count.get(item.outcome) ?? 0) + 1);
  const parts = [...count].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${n} ${outcome(name)[0].toLowerCase()}`);
  return `The last ${items.length} candidate ${items.length === 1 ? "bar" : "bars"}: ${parts.join(" · ")}`;
}
