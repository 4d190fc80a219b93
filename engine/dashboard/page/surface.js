// A canvas that fits its frame, at the screen's own resolution, in the page's own colours.

const NAMES = ["ink", "muted", "line", "panel", "rise", "fall", "accent", "rise-soft", "fall-soft", "accent-soft"];

export class Surface {
  #frame;
  #canvas;
  #wanted = 0;
  #draw;

  constructor(frame, draw) {
    this.#frame = frame;
    this.#canvas = frame.querySelector("canvas");
    this.#draw = draw;
    new ResizeObserver(() => this.redraw()).observe(frame);
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"])
      matchMedia(query).addEventListener("change", () => this.redraw());
  }

  // Many calls, one drawing.
  redraw() {
    this.#wanted ||= requestAnimationFrame(() => {
      this.#wanted = 0;
      this.#now();
    });
  }

  #now() {
    const { clientWidth: width, clientHeight: height } = this.#frame;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== w || this.#canvas.height !== h)
      Object.assign(this.#canvas, { width: w, height: h });
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.#frame);
    pen.font = `11px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    this.#draw({ pen, width, height, colours: colours(style) });
  }
}

function colours(style) {
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export function line(pen, points, { colour, width = 1, dash = [] }) {
  pen.save();
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  pen.stroke();
  pen.restore();
}

// A label on the price axis, as wide as the axis: it hides the number below it.
export function tag(pen, text, { x, y, width, colour, ink }) {
  pen.fillStyle = colour;
  pen.fillRect(x, y - 9, width, 18);
  pen.fillStyle = ink;
  pen.fillText(text, x + 4, y + 0.5);
}

// A triangle whose tip is at x, y; it points up if `up`.
export function triangle(pen, { x, y, size, up, colour, edge }) {
  const away = up ? size : -size;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x - size * 0.7, y + away);
  pen.lineTo(x + size * 0.7, y + away);
  pen.closePath();
  pen.fillStyle = colour;
  pen.fill();
  pen.lineWidth = 1.5;
  pen.strokeStyle = edge;
  pen.stroke();
}
