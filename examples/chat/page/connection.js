// A connection in `tengen.v1.json` that comes back by itself: events, requests with replies, pings, back-off.
//
// Frames: [["ns/name", data], callback] goes out; [[["ns/name", data], ...], null] are pushes, [value, callback] is a reply.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const JITTER = 0.25;
const PING_EVERY_MS = 5_000;
const PONG_WITHIN_MS = 10_000;
const REPLY_WITHIN_MS = 35_000;
const HANDSHAKE_WITHIN_MS = 15_000;

/** What a request was refused with: `id` is one of the gateway's words, `code` the plugin's own. */
export class Fault extends Error {
  constructor({ id, code, message, "retry-after-ms": retryAfterMs }) {
    super(message);
    Object.assign(this, { id, code, retryAfterMs });
  }
}

export class Connection {
  #url; #on; #socket = null; #waiting = new Map(); #nextCallback = 1; #tries = 0; #wait = null; #hint = null;
  #pinger = null; #pinged = null; #handshake = null; #wanted = false;

  /**
   * `on` gets: `state(state, detail)` with connecting, open, reconnecting or closed; `event(id, data)`; `close(code, reason)`
   * for every socket that had been open; `latency(ms)`.
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  open() {
    this.#wanted = true;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#wait);
    this.#socket?.close(1000);
    if (!this.#socket) this.#on.state("closed");
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN && this.#handshake === null;
  }

  /** Sends an event and gives its reply. Rejects with a Fault. */
  request(id, data) {
    if (!this.isOpen) return Promise.reject(new Fault({ id: "closed", message: "not connected" }));
    return this.#ask([id, data], REPLY_WITHIN_MS);
  }

  #ask(event, withinMs) {
    const callback = String(this.#nextCallback++);
    return new Promise((resolve, reject) => {
      const late = () => this.#settle(callback, null, { id: "timeout", message: "nothing answered in time" });
      this.#waiting.set(callback, { resolve, reject, timer: setTimeout(late, withinMs) });
      this.#socket.send(JSON.stringify([event, callback]));
    });
  }

  #connect() {
    this.#on.state(this.#tries === 0 ? "connecting" : "reconnecting");
    const socket = new WebSocket(this.#url, ["tengen.v1.json"]);
    this.#socket = socket;
    this.#hint = null;
    // The gateway speaks first; nothing is sent before it has.
    this.#handshake = setTimeout(() => socket.close(), HANDSHAKE_WITHIN_MS);
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #receive([first, callback]) {
    if (callback !== null && callback !== undefined) return this.#settle(callback, first, first?.["tengen/error"]);
    // A ping: any frame from us counts as life, this one says so.
    if (first === "chsk/ws-ping") return this.#socket.send('[["chsk/ws-pong"],null]');
    if (!Array.isArray(first)) return;
    if (first[0] === "chsk/handshake") return this.#opened();
    for (const [id, data] of first) {
      if (id === "tengen/reconnect") this.#hint = data;
      this.#on.event(id, data);
    }
  }

  #opened() {
    clearTimeout(this.#handshake);
    this.#handshake = null;
    this.#tries = 0;
    this.#pinger = setInterval(() => this.#ping(), PING_EVERY_MS);
    this.#on.state("open");
    this.#ping();
  }

  async #ping() {
    if (this.#pinged !== null) return;
    const socket = this.#socket;
    this.#pinged = performance.now();
    try {
      await this.#ask(["chsk/ws-ping"], PONG_WITHIN_MS);
      this.#on.latency(performance.now() - this.#pinged);
    } catch (fault) {
      // The socket may look open for minutes after the network has gone.
      if (fault.id === "timeout" && socket === this.#socket) socket.close(4001);
    } finally {
      this.#pinged = null;
    }
  }

  #settle(callback, value, fault) {
    const waiting = this.#waiting.get(callback);
    if (!waiting) return;
    this.#waiting.delete(callback);
    clearTimeout(waiting.timer);
    if (fault) waiting.reject(new Fault(fault));
    else waiting.resolve(value);
  }

  #closed(code, reason) {
    const wasOpen = this.#handshake === null;
    clearTimeout(this.#handshake);
    clearInterval(this.#pinger);
    this.#handshake = null;
    this.#socket = null;
    for (const callback of [...this.#waiting.keys()]) {
      this.#settle(callback, null, { id: "closed", message: "the connection ended before the reply came" });
    }
    if (wasOpen) this.#on.close(code, reason);
    // From 4500 on, and after a policy's 1008, the gateway does not want us back.
    const unwanted = !this.#wanted || code >= 4500 || code === 1008;
    if (unwanted) return this.#on.state("closed", this.#wanted ? reason : "");
    const waitMs = this.#waitMs();
    this.#tries += 1;
    this.#on.state("reconnecting", `in ${(waitMs / 1000).toFixed(1)} s`);
    this.#wait = setTimeout(() => this.#connect(), waitMs);
  }

  /** The gateway's own hint if it gave one, otherwise twice as long each time; never everybody at once. */
  #waitMs() {
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    const hint = this.#hint?.["after-ms"];
    if (Number.isFinite(hint)) return hint;
    return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries) * jitter;
  }
}
