// Elements without markup: text stays text.

export const byId = (id) => document.getElementById(id);

// el("p.note", { title: "…" }, "text", child): classes after dots, null children are left out.
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export function time(ms, text) {
  return el("time", { datetime: new Date(ms).toISOString() }, text);
}

// A list is only touched where it differs, so that focus and open details stay.
export function fill(list, items, key, make) {
  const had = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const name = key(item);
    const text = JSON.stringify(item);
    const old = had.get(name);
    if (old?.dataset.content === text) return old;
    const made = make(item);
    Object.assign(made.dataset, { key: name, content: text });
    if (old) keepOpen(old, made);
    return made;
  });
  const same = wanted.length === list.children.length && wanted.every((w, i) => w === list.children[i]);
  if (!same) place(list, wanted);
}

// Moving a node takes the focus from it; so those that stay are not moved but passed by.
function place(list, wanted) {
  const keep = new Set(wanted);
  for (const child of [...list.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, i) => {
    if (list.children[i] !== child) list.insertBefore(child, list.children[i] ?? null);
  });
}

function keepOpen(old, made) {
  const [was, is] = [old.querySelector("details"), made.querySelector("details")];
  if (was && is) is.open = was.open;
}

export function empty(text) {
  return el("li.none", {}, text);
}

// A list of items, or one line that says there are none.
export function fillOr(list, items, key, make, none) {
  if (items.length) fill(list, items, key, make);
  else fill(list, [none], () => "none", empty);
}

export function fact(name, value, tone) {
  return el("div", { "data-tone": tone }, el("dt", {}, name), el("dd", {}, value));
}
