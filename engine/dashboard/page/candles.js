// Candles of one symbol with what was traded on them: pan, zoom, read out by pointer and keys.

import { firstFrom, linear, digits, ticks, timeStep, extent } from "./scale.js";
import { Surface, line, tag, triangle } from "./surface.js";
import * as format from "./format.js";

const AXIS = 68;       // pixels of the price axis
const FOOT = 22;       // of the time axis
const HEAD = 8;
const VOLUME = 0.14;   // share of the height
const FEWEST = 12;     // bars in the window
const WIDE = 7;        // pixels of a bar, at first

export class CandleChart {
  #frame;
  #surface;
  #bars = null;
  #trades = [];
  #marks = [];
  #orders = [];
  #barMs = 60_000;
  #count = 0;          // bars in the window; 0: as many as look well
  #end = null;         // position behind the last bar shown; null: follows the latest
  #cursor = null;      // position that is read out

  // wants(): earlier bars are wanted; reads(bar, spoken): a bar is read out, null for none.
  constructor(frame, { wants, reads }) {
    this.#frame = frame;
    this.wants = wants;
    this.reads = reads;
    this.#surface = new Surface(frame, (to) => this.#draw(to));
    this.#listen();
  }

  show({ bars, trades, marks, orders, barMs }) {
    const added = this.#bars?.time[0] > bars.time[0] ? firstFrom(bars.time, this.#bars.time[0]) : 0;
    if (added && this.#end !== null) this.#end += added;
    if (added && this.#cursor !== null) this.#cursor += added;
    [this.#bars, this.#trades, this.#marks, this.#orders, this.#barMs] = [bars, trades, marks, orders, barMs];
    if (this.#cursor === null) this.reads(this.#describe(bars.time.length - 1), false);
    this.#surface.redraw();
  }

  // Forget where the window was: another symbol comes.
  reset() {
    this.#bars = this.#end = this.#cursor = null;
  }

  latest() {
    this.#end = null;
    this.#point(null);
  }

  pan(bars) {
    if (!this.#bars) return;
    const all = this.#bars.time.length;
    const end = (this.#end ?? all) + bars;
    const least = Math.min(all, this.#shown());
    this.#end = end >= all ? null : Math.max(least, end);
    if (this.#first() < this.#shown() / 2) this.wants();
    this.#surface.redraw();
  }

  zoom(factor) {
    if (!this.#bars) return;
    this.#count = Math.round(Math.max(FEWEST, Math.min(this.#shown() * factor, 2000)));
    if (this.#first() < this.#shown() / 2) this.wants();
    this.#surface.redraw();
  }

  #shown() {
    return this.#count || Math.max(FEWEST, Math.floor((this.#frame.clientWidth - AXIS) / WIDE));
  }

  #first() {
    return Math.max(0, Math.ceil((this.#end ?? this.#bars?.time.length ?? 0) - this.#shown()));
  }

  #listen() {
    const frame = this.#frame;
    let drag = null;
    frame.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, moved: 0 };
      if (event.pointerType === "mouse") frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      if (drag && event.buttons) {
        const bars = (drag.x - event.clientX) / this.#slot() + drag.moved;
        const whole = Math.trunc(bars);
        drag = { x: event.clientX, moved: bars - whole };
        if (whole) this.pan(whole);
      } else drag = null;
      this.#point(this.#at(event.offsetX), false);
    });
    for (const kind of ["pointerup", "pointercancel"]) frame.addEventListener(kind, () => (drag = null));
    frame.addEventListener("pointerleave", () => this.#point(null));
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("keydown", (event) => this.#key(event));
  }

  // The page scrolls with the wheel; sideways, or with Ctrl, it is meant for the chart.
  #wheel(event) {
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(Math.sign(event.deltaX) * 3);
    else return;
    event.preventDefault();
  }

  #key(event) {
    const act = {
      ArrowLeft: () => (event.shiftKey ? this.pan(-10) : this.#step(-1)),
      ArrowRight: () => (event.shiftKey ? this.pan(10) : this.#step(1)),
      Home: () => this.#step(-Infinity),
      End: () => this.#step(Infinity),
      "+": () => this.zoom(1 / 1.3),
      "-": () => this.zoom(1.3),
      Escape: () => this.latest(),
    }[event.key];
    if (!act || !this.#bars || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  #step(bars) {
    const last = this.#bars.time.length - 1;
    const to = Math.max(0, Math.min(last, (this.#cursor ?? last + (bars < 0 ? 1 : 0)) + bars));
    if (to < this.#first()) this.pan(to - this.#first());
    else if (to >= (this.#end ?? last + 1)) this.pan(to + 1 - (this.#end ?? last + 1));
    this.#point(to, true);
  }

  #slot() {
    return (this.#frame.clientWidth - AXIS) / this.#shown();
  }

  // Bars stand at the right: fewer than fit leave room at the left.
  #at(x) {
    if (!this.#bars) return null;
    const end = this.#end ?? this.#bars.time.length;
    const position = Math.floor(end - (this.#frame.clientWidth - AXIS - x) / this.#slot());
    return x > this.#frame.clientWidth - AXIS || position < 0 || position >= end ? null : position;
  }

  #point(position, spoken = false) {
    this.#cursor = position;
    if (this.#bars) this.reads(this.#describe(position ?? this.#bars.time.length - 1), spoken);
    this.#surface.redraw();
  }

  #describe(i) {
    const bars = this.#bars;
    if (i < 0) return null;
    const opened = bars.time[i];
    const within = (time) => time != null && time >= opened && time < opened + this.#barMs;
    return {
      time: opened, open: bars.open[i], high: bars.high[i], low: bars.low[i], close: bars.close[i],
      volume: bars.volume[i], filled: Boolean(bars.filled[i]), cursor: i === this.#cursor,
      entries: this.#trades.filter((trade) => within(trade.entry_time)),
      exits: this.#trades.filter((trade) => within(trade.exit_time)),
      decisions: this.#marks.filter((mark) => mark.time === opened + this.#barMs),
    };
  }

  #draw({ pen, width, height, colours }) {
    const bars = this.#bars;
    if (!bars?.time.length) return;
    const [first, end] = [this.#first(), this.#end ?? bars.time.length];
    const right = width - AXIS;
    const slot = this.#slot();
    const x = (position) => right - (end - position - 0.5) * slot;
    const bottom = height - FOOT;
    const [low, high] = this.#range(first, end);
    const y = linear(low, high, bottom - (bottom - HEAD) * VOLUME, HEAD);
    const view = { pen, colours, bars, first, end, x, y, slot, right, bottom, width, low, high };
    this.#grid(view);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, right, height);
    pen.clip();
    this.#volumes(view);
    for (const trade of this.#trades) this.#box(view, trade);
    this.#candles(view);
    for (const mark of this.#marks) this.#mark(view, mark);
    for (const trade of this.#trades) this.#arrows(view, trade);
    pen.restore();
    this.#tags(view);
    this.#cross(view);
  }

  // What is seen of prices, and the levels of what is held, with room above and below.
  #range(first, end) {
    const bars = this.#bars;
    const levels = [];
    const [from, to] = [bars.time[first], bars.time[end - 1] + this.#barMs];
    for (const trade of this.#trades)
      if (trade.entry_time < to && (trade.exit_time ?? Infinity) >= from)
        levels.push(...[trade.stop, trade.target, trade.entry_price].filter((level) => level != null));
    if (end === bars.time.length) levels.push(...this.#orders.map((order) => order.price).filter((p) => p != null));
    const [low] = extent(bars.low.slice(first, end));
    const [, high] = extent(bars.high.slice(first, end));
    // A level far off must not press the candles flat.
    const reach = Math.max(high - low, high * 1e-4);
    const near = levels.filter((level) => level > low - reach && level < high + reach);
    const [least, most] = [Math.min(low, ...near), Math.max(high, ...near)];
    const room = Math.max(most - least, most * 1e-4) * 0.07;
    return [least - room, most + room];
  }

  #grid({ pen, colours, bars, first, end, x, y, right, bottom, low, high }) {
    const { step, values } = ticks(low, high, Math.max(2, (bottom - HEAD) / 55));
    const places = digits(step);
    for (const value of values) {
      line(pen, [[0, y(value)], [right, y(value)]], { colour: colours.line });
      pen.fillStyle = colours.muted;
      pen.fillText(value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }), right + 8, y(value));
    }
    const span = (end - first) * this.#barMs;
    const every = timeStep(span, Math.max(2, right / 90));
    let drawn = -Infinity;
    for (let i = first; i < end; i++) {
      if (bars.time[i] % every || x(i) - drawn < 44) continue;
      drawn = x(i);
      line(pen, [[x(i), HEAD], [x(i), bottom]], { colour: colours.line });
      const midnight = bars.time[i] % 86_400_000 === 0;
      const text = midnight || every >= 86_400_000 ? format.day(bars.time[i]).slice(5) : format.clock(bars.time[i]);
      pen.fillStyle = colours.muted;
      pen.fillText(text, Math.max(2, Math.min(x(i) - pen.measureText(text).width / 2, right - 30)), bottom + 12);
    }
    line(pen, [[0, bottom], [right, bottom]], { colour: colours.line });
  }

  #volumes({ pen, colours, bars, first, end, x, slot, bottom }) {
    const [, most] = extent(bars.volume.slice(first, end));
    if (!(most > 0)) return;
    const scale = ((bottom - HEAD) * VOLUME * 0.85) / most;
    pen.fillStyle = colours.line;
    const wide = Math.max(1, slot * 0.64);
    for (let i = first; i < end; i++) {
      const tall = bars.volume[i] * scale;
      pen.fillRect(x(i) - wide / 2, bottom - tall, wide, tall);
    }
  }

  // Bars that rose are hollow, those that fell are full: the colours are not needed to tell.
  #candles({ pen, colours, bars, first, end, x, y, slot }) {
    const wide = Math.max(1, Math.min(slot * 0.64, 14));
    for (let i = first; i < end; i++) {
      const [open, close] = [y(bars.open[i]), y(bars.close[i])];
      const rose = bars.close[i] >= bars.open[i];
      pen.strokeStyle = pen.fillStyle = bars.filled[i] ? colours.muted : rose ? colours.rise : colours.fall;
      pen.lineWidth = 1;
      const middle = Math.round(x(i)) + 0.5;
      const [top, base] = [Math.min(open, close), Math.max(open, close)];
      pen.beginPath();
      pen.moveTo(middle, y(bars.high[i]));
      pen.lineTo(middle, top);
      pen.moveTo(middle, base);
      pen.lineTo(middle, y(bars.low[i]));
      pen.stroke();
      const tall = Math.max(base - top, 1);
      if (rose && wide > 3 && tall > 1.5) {
        pen.strokeRect(middle - wide / 2, top, wide, tall);
      } else pen.fillRect(middle - wide / 2, top, wide, tall);
    }
  }

  // Where a moment lies: within the bar that was open then.
  #position(time) {
    const bars = this.#bars;
    const i = firstFrom(bars.time, time + 1) - 1;
    if (i < 0) return (time - bars.time[0]) / this.#barMs;
    return Math.min(i + 0.5, i + (time - bars.time[i]) / this.#barMs);
  }

  // What a position could win and lose: from its entry to its exit, or to now.
  #box({ pen, colours, x, y, end }, trade) {
    const left = x(this.#position(trade.entry_time));
    const stop = x(trade.exit_time == null ? end : this.#position(trade.exit_time));
    const entry = y(trade.entry_price);
    const wide = Math.max(stop - left, 3);
    for (const [level, soft, colour, dash] of [
      [trade.target, colours["rise-soft"], colours.rise, [6, 3]],
      [trade.stop, colours["fall-soft"], colours.fall, [2, 3]],
    ]) {
      if (level == null) continue;
      pen.fillStyle = soft;
      pen.fillRect(left, Math.min(entry, y(level)), wide, Math.abs(entry - y(level)));
      line(pen, [[left, y(level)], [left + wide, y(level)]], { colour, width: 1.5, dash });
    }
    line(pen, [[left, entry], [left + wide, entry]], { colour: colours.ink });
  }

  #arrows({ pen, colours, x, y }, trade) {
    const [edge, size] = [colours.panel, 9];
    const bought = trade.units > 0;
    triangle(pen, { x: x(this.#position(trade.entry_time)), y: y(trade.entry_price) + (bought ? 3 : -3), size, up: bought, colour: colours.accent, edge });
    if (trade.exit_time == null) return;
    const colour = trade.pnl >= 0 ? colours.rise : colours.fall;
    triangle(pen, { x: x(this.#position(trade.exit_time)), y: y(trade.exit_price) + (bought ? -3 : 3), size, up: !bought, colour, edge });
  }

  // Candidate bars that were not traded: a ring below.
  #mark({ pen, colours, x, y, bars }, mark) {
    if (mark.traded) return;
    const i = firstFrom(bars.time, mark.time - this.#barMs);
    if (bars.time[i] !== mark.time - this.#barMs) return;
    pen.beginPath();
    pen.arc(x(i), y(bars.low[i]) + 9, 3, 0, 2 * Math.PI);
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  #tags({ pen, colours, bars, end, x, y, right, low, high }) {
    if (end === bars.time.length) {
      for (const order of this.#orders) {
        if (order.price == null || order.price < low || order.price > high) continue;
        const colour = order.kind === "stop" ? colours.fall : order.units < 0 ? colours.rise : colours.accent;
        line(pen, [[right - 18, y(order.price)], [right, y(order.price)]], { colour, width: 2 });
        tag(pen, format.price(order.price), { x: right + 1, y: y(order.price), width: AXIS - 2, colour, ink: colours.panel });
      }
      const last = bars.close.at(-1);
      line(pen, [[x(end - 1), y(last)], [right, y(last)]], { colour: colours.muted, dash: [1, 3] });
      tag(pen, format.price(last), { x: right + 1, y: y(last), width: AXIS - 2, colour: colours.ink, ink: colours.panel });
    }
  }

  #cross({ pen, colours, bars, x, y, bottom, first, end }) {
    const i = this.#cursor;
    if (i === null || i < first || i >= end) return;
    line(pen, [[x(i), HEAD], [x(i), bottom]], { colour: colours.muted, dash: [3, 3] });
    pen.beginPath();
    pen.arc(x(i), y(bars.close[i]), 3.5, 0, 2 * Math.PI);
    pen.fillStyle = colours.ink;
    pen.fill();
  }
}
