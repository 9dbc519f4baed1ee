// A moderated room in JavaScript: who came first may send others out. What is in the rooms is kept over reloads.

import signals from "tengen:gateway/signals@0.1.0";

const FORMAT = "room/1";
// Of each room its members, in the order in which they came: the connection's handle, and a name.
const rooms = new Map();

/** What a sender is told instead: a word of the gateway's, and a sentence. */
class Refusal {
  constructor(id, message) {
    this.fault = { id, message, retryAfterMs: null };
  }
}

const content = (value) => ({
  tag: "payload",
  val: { encoding: "json", body: { tag: "text", val: JSON.stringify(value) } },
});
const effect = (tag, val, key = null) => ({ what: { tag, val }, key, more: [] });
const done = (answer, ...effects) => ({ tag: "done", val: { answer, effects, more: [] } });
const given = (value, ...effects) => done({ tag: "given", val: content(value) }, ...effects);
const publish = (room, id, content, exclude = null) =>
  effect("publish", { channel: "room/" + room, id, content, exclude, keep: false });
const push = (to, id, value) =>
  effect("push", { to: { tag: "connection", val: to }, exclude: null, id, content: content(value) });

/** The room that a connection is in, and its name there; none: undefined. */
function find(connection) {
  for (const [room, members] of rooms) {
    const member = members.find(([handle]) => handle === connection);
    if (member) return { room, members, name: member[1] };
  }
}

function place(connection) {
  const found = find(connection);
  if (!found) throw new Refusal("not-found", "you are in no room: join one first");
  return found;
}

/** Takes a connection out of its room, if it is in one. */
function leave(connection, isOpen = true) {
  const found = find(connection);
  if (!found) return [];
  const { room, name } = found;
  const rest = found.members.filter(([handle]) => handle !== connection);
  if (rest.length > 0) rooms.set(room, rest);
  else rooms.delete(room);
  const left = publish(room, "room/left", content({ name }), connection);
  return isOpen ? [effect("unsubscribe", { connection, channel: "room/" + room }), left] : [left];
}

/** What a client of another format sends may have no form in JSON, and then comes as it is. */
function read(payload) {
  if (payload.encoding !== "json") throw new Refusal("unsupported", "what you sent has no form in JSON");
  return JSON.parse(payload.body.val);
}

function text(data, key, most) {
  const value = data?.[key];
  // A character outside of the first plane has a length of two, and counts as one.
  const tooLong = (value) => value.length > most && [...value].length > most;
  if (typeof value !== "string" || value === "" || tooLong(value)) {
    throw new Refusal("malformed", `\`${key}\` has to be a text of 1 to ${most} characters`);
  }
  return value;
}

function message(index, connection, { id, payload }) {
  // What the sender has sent, whatever it is, without a look at it.
  const sent = { tag: "of-event", val: index };
  const data = id === "room/show" ? null : read(payload);
  if (id === "room/join") {
    const [room, name] = [text(data, "room", 64), text(data, "name", 64)];
    const before = leave(connection);
    const members = rooms.get(room) ?? [];
    members.push([connection, name]);
    rooms.set(room, members);
    const subscribe = effect("subscribe", { connection, channel: "room/" + room }, "join");
    const joined = publish(room, "room/joined", content({ name }), connection);
    return given({ members: members.length }, ...before, subscribe, joined);
  }
  const { room, members, name } = place(connection);
  switch (id) {
    case "room/say":
      return given(true, publish(room, "room/said", content({ from: name, text: text(data, "text", 65536) })));
    case "room/show":
      return done({ tag: "given", val: sent }, publish(room, "room/shown", sent));
    case "room/who":
      return given({ room, members: members.map(([, name]) => name) });
    case "room/kick": {
      if (members[0][0] !== connection) throw new Refusal("not-allowed", "only who came first may do that");
      const wanted = text(data, "name", 64);
      const other = members.find(([, name]) => name === wanted);
      if (other) return given(true, push(other[0], "room/kicked", { by: name }), ...leave(other[0]));
      const nobody = { id: "not-found", message: "nobody here has that name", retryAfterMs: null };
      return done({ tag: "fault", val: nobody });
    }
    case "room/remind": {
      const ms = data?.ms;
      if (!Number.isInteger(ms) || ms < 0 || ms > 3600000) {
        throw new Refusal("malformed", "`ms` has to be a whole number of at most an hour");
      }
      return given(true, effect("set-timer", { connection, key: "remind", afterMs: ms }));
    }
  }
  throw new Refusal("unknown-event", "this room knows no such event");
}

function decide(index, { connection, what: { tag, val } }) {
  switch (tag) {
    case "message":
      return message(index, connection, val);
    case "closed":
      return done({ tag: "nothing" }, ...leave(connection, false));
    case "timer": {
      const room = find(connection)?.room;
      return room ? done({ tag: "nothing" }, push(connection, "room/reminded", { room })) : done({ tag: "nothing" });
    }
    case "refused":
      signals.emit("warn", "room/refused", val.why.message, [["key", { tag: "text", val: val.key }]]);
  }
  return done({ tag: "nothing" });
}

export const plugin = {
  describe: () => ({
    name: "room", version: "1.0.0", encoding: "json", maxBatch: 64, events: ["room/*"], others: [],
    snapshotWrites: FORMAT, snapshotReads: [FORMAT], channels: [],
    subscriptions: [], users: false, missed: false, more: [],
  }),
  start: () => {},
  stop: () => {},
};

export const handler = {
  handle: (events) => events.map((event, index) => {
    try {
      return decide(index, event);
    } catch (error) {
      if (error instanceof Refusal) return { tag: "failed", val: { why: error.fault, close: null, more: [] } };
      throw error;
    }
  }),
};

// QuickJS has no TextEncoder, and a snapshot is bytes: JSON in nothing but ASCII, one character a byte.
const escaped = (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");

export const snapshot = {
  save: () => {
    const state = JSON.stringify({ rooms: Object.fromEntries(rooms) }).replace(/[\u0080-\uffff]/g, escaped);
    return { format: FORMAT, bytes: Uint8Array.from(state, (letter) => letter.charCodeAt(0)), isLast: true };
  },
  load: ({ bytes }) => {
    const utf8 = Array.from(bytes, (byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
    for (const [room, members] of Object.entries(JSON.parse(decodeURIComponent(utf8)).rooms)) {
      rooms.set(room, members);
    }
  },
};
