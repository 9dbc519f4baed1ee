// The page of the chat: joins a room, shows what is said, and says what is typed. `window.chat` is for tests and the curious.

import { Connection } from "./connection.js";
import { Numbered } from "./numbered.js";
import * as view from "./view.js";

const query = new URLSearchParams(location.search);
const gateway = query.get("gateway") ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

/** Everything that is known; tests read it. */
const chat = {
  state: "closed",
  /** The room and the name that were asked for; `you` is the name that was given. */
  room: null, name: null, you: null,
  joined: false,
  greeting: null, version: null,
  /** The number of the room's last message. */
  seq: 0,
  /** Numbered messages: how many were sent; what came in of all senders; replies to ours; refusals. */
  sent: 0, received: [], replies: [], faults: [],
  /** Sockets that had been open and ended; messages that were missed or came twice, by the room's numbers. */
  closes: 0, gaps: 0, duplicates: 0,
  start: (perSecond) => numbered.start(perSecond),
  stop: () => numbered.stop(),
  join, leave, say,
};
window.chat = chat;

let entering = null;
const connection = new Connection(gateway, { state, event, close, latency: view.latency });
const numbered = new Numbered((n) => {
  if (!chat.joined) return false;
  chat.sent = n;
  say(`message ${n}`, n).then(
    (receipt) => chat.replies.push({ n, ...receipt }),
    ({ id, code, message }) => chat.faults.push({ n, id, code, message }),
  );
  return true;
});

function state(state, detail) {
  chat.state = state;
  view.state(state, detail);
  if (state !== "open") chat.joined = false;
  else if (chat.name) enter();
}

function close(code, reason) {
  chat.closes += 1;
  view.news(`connection closed: ${reason || code}`);
}

function event(id, data) {
  switch (id) {
    case "chat/said": return said(data);
    case "chat/joined":
    case "chat/left":
      if (data.room !== chat.room) return;
      view.members(data.members, chat.you);
      return view.news(`${data.name} ${id === "chat/joined" ? "came in" : "left"}`);
    case "tengen/error": return view.trouble(data.message);
    case "tengen/reconnect": return view.news(`the gateway asks us to come back: ${data.reason ?? "going away"}`);
  }
}

function said(message) {
  if (message.room !== chat.room) return;
  if (message.seq <= chat.seq) chat.duplicates += 1;
  else if (message.seq > chat.seq + 1) chat.gaps += message.seq - chat.seq - 1;
  chat.seq = Math.max(chat.seq, message.seq);
  const { from, n, seq, greeting, version } = message;
  if (n !== undefined) chat.received.push({ from, n, seq, greeting, version });
  greeted(message);
  view.said(message, from === chat.you);
}

/** The plugin says with everything which version of it spoke: a reload shows here. */
function greeted({ greeting, version }) {
  if (greeting === chat.greeting && version === chat.version) return;
  if (chat.greeting !== null) view.news(`the chat was replaced: it greets with “${greeting}” now (${version})`, true);
  Object.assign(chat, { greeting, version });
  view.greeting(greeting, version);
}

/** Comes in; whoever calls while that is under way waits for the same answer. */
function enter() {
  entering ??= comeIn().finally(() => (entering = null));
  return entering;
}

async function comeIn() {
  try {
    const welcome = await connection.request("chat/join", { room: chat.room, name: chat.name });
    const isReturn = chat.you !== null;
    const missed = welcome.recent.filter((message) => !isReturn || message.seq > chat.seq);
    Object.assign(chat, { room: welcome.room, you: welcome.you, seq: welcome.seq, joined: true });
    view.inside(welcome.room);
    view.members(welcome.members, welcome.you);
    for (const message of missed) view.said(message, message.from === welcome.you);
    greeted(welcome);
    if (!isReturn) view.news(`${welcome.greeting}, ${welcome.you}`);
  } catch (fault) {
    if (fault.id === "closed") return;
    leave();
    view.refused(fault.message);
  }
}

/** Says something in the room; resolves when the plugin has passed it on. */
async function say(text, n) {
  try {
    return await connection.request("chat/say", { text, n });
  } catch (fault) {
    if (fault.code !== "not-in-a-room") throw fault;
    // The plugin was started anew and knows nobody: come in again. What was refused was not said, so it is said once.
    await enter();
    return connection.request("chat/say", { text, n });
  }
}

function join(name, room) {
  Object.assign(chat, { name, room, you: null, seq: 0, greeting: null, version: null });
  view.clear();
  if (connection.isOpen) enter();
  else if (chat.state === "closed") connection.open();
}

function leave() {
  numbered.stop();
  if (chat.joined) connection.request("chat/leave").catch(() => {});
  Object.assign(chat, { name: null, you: null, joined: false });
  view.outside();
}

view.bind({
  join(name, room) {
    localStorage.setItem("name", name);
    history.replaceState(null, "", `?${new URLSearchParams({ ...Object.fromEntries(query), name, room })}`);
    join(name, room);
  },
  leave,
  async say(text) {
    try {
      await say(text);
      return true;
    } catch (fault) {
      view.trouble(`not sent: ${fault.message}`);
      return false;
    }
  },
});

const name = query.get("name");
const room = query.get("room") ?? "lobby";
if (name) join(name, room);
else view.outside(localStorage.getItem("name") ?? "", room);
