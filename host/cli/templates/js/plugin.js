// {{name}}: who says something is told its number, and everybody else hears it.

// The channel that everybody is in; the grant is `publish` in tengen.toml.
const ROOM = "{{name}}/room";
let count = 0;

const json = (value) => ({ tag: "payload", val: { encoding: "json", body: { tag: "text", val: JSON.stringify(value) } } });
const effect = (tag, val) => ({ what: { tag, val }, key: null, more: [] });
const done = (answer, ...effects) => ({ tag: "done", val: { answer, effects, more: [] } });
const failed = (id, message) => ({ tag: "failed", val: { why: { id, message, retryAfterMs: null }, close: null, more: [] } });

function message(connection, { id, payload }) {
  if (id !== "{{name}}/say") return failed("unknown-event", "say something by `{{name}}/say`");
  const { text } = JSON.parse(payload.body.val) ?? {};
  if (!text) return failed("malformed", "say a word at least");
  const number = ++count;
  const said = { channel: ROOM, id: "{{name}}/said", content: json({ number, text }), exclude: connection, keep: false };
  return done({ tag: "given", val: json({ number }) }, effect("publish", said));
}

function decide({ connection, what: { tag, val } }) {
  if (tag === "message") return message(connection, val);
  if (tag === "opened") return done({ tag: "nothing" }, effect("subscribe", { connection, channel: ROOM }));
  return done({ tag: "nothing" });
}

export const plugin = {
  describe: () => ({
    name: "{{name}}", version: "0.1.0", encoding: "json", maxBatch: 64, events: [], others: [], snapshotWrites: null,
    snapshotReads: [], channels: [], subscriptions: [], users: false, missed: false, more: [],
  }),
  start: () => {},
  stop: () => {},
};

export const handler = { handle: (events) => events.map(decide) };
