// The stream of what is new. Whatever breaks it, it goes on after the last moment that came.

const PAUSES = [1000, 2000, 5000, 10_000];

export class Link {
  #source = null;
  #address = null;
  #last = "";
  #failures = 0;
  #timer = 0;

  // on: { moment, health, reset, state }
  constructor(on) {
    this.on = on;
    // A page that nobody sees needs no news; it catches up when it is looked at again.
    document.addEventListener("visibilitychange", () => {
      if (!this.#address) return;
      if (document.hidden) this.#close();
      else this.#open();
    });
  }

  follow(address, last) {
    [this.#address, this.#last, this.#failures] = [address, last, 0];
    if (!document.hidden) this.#open();
  }

  stop() {
    this.#address = null;
    this.#close();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#close();
    const url = new URL(this.#address, location.href);
    url.searchParams.set("after", this.#last);
    const source = (this.#source = new EventSource(url));
    source.addEventListener("open", () => {
      this.#failures = 0;
      this.on.state("live");
    });
    source.addEventListener("moment", (event) => {
      this.#last = event.lastEventId;
      this.on.moment(JSON.parse(event.data));
    });
    source.addEventListener("health", (event) => this.on.health(JSON.parse(event.data)));
    source.addEventListener("reset", () => this.on.reset());
    source.addEventListener("error", () => this.#failed(source));
  }

  #failed(source) {
    if (source !== this.#source) return;
    this.#close();
    this.on.state("lost");
    // Twice in vain: perhaps the token is asked for now, or there are too many pages.
    if (this.#failures > 1) return this.on.reset();
    const pause = PAUSES[Math.min(this.#failures++, PAUSES.length - 1)];
    this.#timer = setTimeout(() => this.#open(), pause);
  }
}
