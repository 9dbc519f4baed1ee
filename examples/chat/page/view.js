// What is on the screen. Knows nothing of connections.

const SHOWN = 300;
const element = (id) => document.getElementById(id);
const messages = element("messages");

/** Lines wait for the next frame, so that a hundred messages a second cost a few layouts. */
let waiting = [];

function show(line) {
  waiting.push(line);
  if (waiting.length === 1) requestAnimationFrame(render);
  // A hidden page has no frames.
  else if (waiting.length > SHOWN) waiting.splice(1, waiting.length - SHOWN);
}

function render() {
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
  messages.append(...waiting.slice(-SHOWN));
  waiting = [];
  while (messages.childElementCount > SHOWN) messages.firstElementChild.remove();
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

export function said({ from, text, at }, mine) {
  const line = document.createElement("li");
  const who = document.createElement("span");
  const name = document.createElement("b");
  name.textContent = from;
  const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  who.className = "who";
  who.append(name, ` ${time}`);
  line.className = mine ? "mine" : "";
  line.append(who, text);
  show(line);
}

export function news(text, loud = false) {
  const line = document.createElement("li");
  line.className = loud ? "news loud" : "news";
  line.textContent = text;
  show(line);
}

export function members(names, you) {
  element("count").textContent = names.length;
  const lines = names.map((name) => {
    const line = document.createElement("li");
    line.textContent = name;
    if (name === you) line.className = "me";
    return line;
  });
  element("members").replaceChildren(...lines);
}

const STATES = { connecting: "connecting…", open: "connected", reconnecting: "connecting again", closed: "not connected" };

export function state(state, detail) {
  document.body.dataset.state = state;
  element("state").textContent = [STATES[state], detail].filter(Boolean).join(" ");
  if (state !== "open") element("latency").textContent = "";
  element("say").querySelector("button").disabled = state !== "open";
}

export function latency(ms) {
  element("latency").textContent = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function greeting(text, version) {
  const badge = element("greeting");
  const isChange = badge.textContent !== "";
  badge.textContent = `${text} · ${version}`;
  badge.classList.remove("changed");
  // Reading the layout starts the animation anew.
  if (isChange && badge.offsetWidth) badge.classList.add("changed");
}

export function trouble(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
}

export function refused(text) {
  element("refused").textContent = text;
  element("refused").hidden = !text;
}

export function clear() {
  messages.replaceChildren();
  waiting = [];
  element("greeting").textContent = "";
  trouble("");
  refused("");
}

export function inside(room) {
  document.title = `${room} · Tengen chat`;
  element("room").textContent = room;
  for (const [id, hidden] of [["door", true], ["chat", false], ["leave", false]]) element(id).hidden = hidden;
  if (document.activeElement === document.body) element("text").focus();
}

export function outside(name, room) {
  document.title = "Tengen chat";
  element("room").textContent = "Tengen chat";
  element("greeting").textContent = "";
  if (name !== undefined) element("name").value = name;
  if (room !== undefined) element("where").value = room;
  for (const [id, hidden] of [["door", false], ["chat", true], ["leave", true]]) element(id).hidden = hidden;
  element("name").focus();
}

/** `act.say` resolves to whether the text was passed on. */
export function bind(act) {
  element("join").addEventListener("submit", (event) => {
    event.preventDefault();
    act.join(element("name").value.trim(), element("where").value.trim());
  });
  element("say").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = element("text").value.trim();
    if (!text) return;
    trouble("");
    element("text").value = "";
    const passed = await act.say(text);
    if (!passed && !element("text").value) element("text").value = text;
  });
  element("leave").addEventListener("click", act.leave);
}
