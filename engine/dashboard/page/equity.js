// The account's value over the session, above and below what it began with.

import { extent, digits, linear, ticks, timeStep, firstFrom } from "./scale.js";
import { Surface, line } from "./surface.js";
import * as format from "./format.js";

const AXIS = 68;
const FOOT = 22;
const HEAD = 8;

export class EquityChart {
  #frame;
  #surface;
  #time = [];
  #value = [];
  #start = 0;
  #cursor = null;

  // reads(point, spoken): a point is read out.
  constructor(frame, reads) {
    this.#frame = frame;
    this.reads = reads;
    this.#surface = new Surface(frame, (to) => this.#draw(to));
    frame.addEventListener("pointermove", (event) => this.#point(this.#at(event.offsetX)));
    frame.addEventListener("pointerleave", () => this.#point(null));
    frame.addEventListener("keydown", (event) => this.#key(event));
  }

  show({ time, value, start }) {
    [this.#time, this.#value, this.#start] = [time, value, start];
    this.#cursor = null;
    this.#read(false);
    this.#surface.redraw();
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !this.#time.length || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const last = this.#time.length - 1;
    this.#point(Math.max(0, Math.min(last, (this.#cursor ?? last) + step)), true);
  }

  #point(position, spoken = false) {
    this.#cursor = position;
    this.#read(spoken);
    this.#surface.redraw();
  }

  #read(spoken) {
    const i = this.#cursor ?? this.#time.length - 1;
    if (i < 0) this.reads(null, false);
    else this.reads({ time: this.#time[i], value: this.#value[i], start: this.#start }, spoken);
  }

  #x() {
    return linear(this.#time[0], this.#time.at(-1), 4, this.#frame.clientWidth - AXIS - 4);
  }

  #at(pixel) {
    if (this.#time.length < 2) return null;
    const share = (pixel - 4) / (this.#frame.clientWidth - AXIS - 8);
    const time = this.#time[0] + share * (this.#time.at(-1) - this.#time[0]);
    const i = Math.min(firstFrom(this.#time, time), this.#time.length - 1);
    return i && time - this.#time[i - 1] < this.#time[i] - time ? i - 1 : i;
  }

  #draw({ pen, width, height, colours }) {
    if (!this.#time.length) return;
    const [right, bottom] = [width - AXIS, height - FOOT];
    const [least, most] = extent([...this.#value, this.#start]);
    const room = Math.max(most - least, most * 1e-4) * 0.1;
    const y = linear(least - room, most + room, bottom, HEAD);
    const view = { pen, colours, x: this.#x(), y, right, bottom };
    this.#grid(view, least - room, most + room);
    this.#area(view);
    this.#cross(view);
  }

  #grid({ pen, colours, x, y, right, bottom }, low, high) {
    const { step, values } = ticks(low, high, Math.max(2, bottom / 45));
    const places = Math.min(2, digits(step));
    pen.fillStyle = colours.muted;
    for (const value of values) {
      line(pen, [[0, y(value)], [right, y(value)]], { colour: colours.line });
      pen.fillText(value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }), right + 8, y(value));
    }
    const [from, to] = [this.#time[0], this.#time.at(-1)];
    const every = timeStep(to - from, Math.max(2, right / 90));
    for (let at = Math.ceil(from / every) * every; at <= to && to > from; at += every) {
      const text = every >= 86_400_000 || at % 86_400_000 === 0 ? format.day(at).slice(5) : format.clock(at);
      const left = x(at) - pen.measureText(text).width / 2;
      if (left > 0 && left < right - 28) pen.fillText(text, left, bottom + 12);
    }
  }

  // Above the start in one colour, below in another.
  #area({ pen, colours, x, y, right, bottom }) {
    const zero = y(this.#start);
    const points = this.#time.map((time, i) => [x(time), y(this.#value[i])]);
    for (const [top, tall, soft, colour] of [
      [0, zero, colours["rise-soft"], colours.rise],
      [zero, bottom - zero, colours["fall-soft"], colours.fall],
    ]) {
      pen.save();
      pen.beginPath();
      pen.rect(0, top, right, tall);
      pen.clip();
      pen.beginPath();
      pen.moveTo(points[0][0], zero);
      for (const point of points) pen.lineTo(...point);
      pen.lineTo(points.at(-1)[0], zero);
      pen.fillStyle = soft;
      pen.fill();
      line(pen, points, { colour, width: 1.8 });
      pen.restore();
    }
    line(pen, [[0, zero], [right, zero]], { colour: colours.muted, dash: [4, 4] });
    const [px, py] = points.at(-1);
    pen.beginPath();
    pen.arc(px, py, 3, 0, 2 * Math.PI);
    pen.fillStyle = colours.ink;
    pen.fill();
  }

  #cross({ pen, colours, x, y, bottom }) {
    if (this.#cursor === null) return;
    const at = x(this.#time[this.#cursor]);
    line(pen, [[at, HEAD], [at, bottom]], { colour: colours.muted, dash: [3, 3] });
    pen.beginPath();
    pen.arc(at, y(this.#value[this.#cursor]), 3.5, 0, 2 * Math.PI);
    pen.fillStyle = colours.ink;
    pen.fill();
  }
}
