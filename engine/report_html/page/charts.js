// Charts in the page's own colours, by day and by night.

const NAMES = ["ink", "muted", "line", "panel", "rise", "fall", "accent", "warn", "rise-soft", "fall-soft", "accent-soft"];
const drawn = new Map();
const night = matchMedia("(prefers-color-scheme: dark)");
night.addEventListener("change", () => {
  for (const [frame, make] of drawn) Plotly.react(frame, ...dressed(make));
});

// Draw into a frame what `make(colours)` returns: { traces, layout }; `own` is of Plotly's
// configuration. Between charts the page can be scrolled and used. Resolves to the frame.
export async function chart(frame, make, own = {}) {
  drawn.set(frame, make);
  await breath();
  const [traces, layout] = dressed(make);
  const usual = { displaylogo: false, responsive: true, displayModeBar: false, scrollZoom: false };
  await Plotly.newPlot(frame, traces, layout, { ...usual, ...own });
  return frame;
}

// Let the browser do what else there is to do.
function breath() {
  return new Promise((go) => setTimeout(go));
}

// Draw again, after the data of a chart have changed.
export function redraw(frame) {
  return Plotly.react(frame, ...dressed(drawn.get(frame)));
}

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// What ML-off, ML-on and what stands beside them are drawn in, everywhere.
export function colourOf(label, c) {
  return { off: c.muted, on: c.accent, held: c.warn }[label] ?? c.ink;
}

function dressed(make) {
  const c = colours();
  const { traces, layout = {} } = make(c);
  const axis = { gridcolor: c.line, zerolinecolor: c.line, linecolor: c.line, automargin: true, fixedrange: true };
  const axes = Object.fromEntries(
    Object.keys({ xaxis: 0, yaxis: 0, ...layout })
      .filter((key) => /^[xy]axis\d*$/.test(key))
      .map((key) => [key, { ...axis, ...layout[key] }]),
  );
  return [
    traces,
    {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: c.ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 8, t: 8, b: 8 },
      hovermode: "x unified",
      hoverlabel: { bgcolor: c.panel, bordercolor: c.line, font: { color: c.ink } },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      colorway: [c.accent, c.muted, c.rise, c.fall, c.warn],
      dragmode: "zoom",
      ...layout,
      ...axes,
    },
  ];
}
