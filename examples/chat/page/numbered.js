// Sends numbered messages at a steady rate, for tests of what gets through.

const TICK_MS = 10;
/** After a pause (a hidden page's timers are slowed down) the missed ones follow, but not all at once. */
const AT_ONCE = 20;

export class Numbered {
  #send; #timer = null; #n = 0;

  /** `send(n)` says whether it took the number; if not, the same number is tried again later. */
  constructor(send) {
    this.#send = send;
  }

  start(perSecond) {
    this.stop();
    let due = 0;
    let before = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      due += ((now - before) * perSecond) / 1000;
      before = now;
      for (let sent = 0; due >= 1 && sent < AT_ONCE; sent += 1, due -= 1) {
        if (this.#send(this.#n + 1)) this.#n += 1;
      }
    }, TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
