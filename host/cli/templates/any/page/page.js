// A small client of `tengen.v1.json`, without any library. Frames: [["ns/name", data], callback] goes out;
// [[["ns/name", data], …], null] are events, [value, callback] is a reply. A reply may be {"tengen/error": …}.

const at = (id) => document.getElementById(id);
const show = (text) => at("log").append(Object.assign(document.createElement("li"), { textContent: text }));
const waiting = new Map();
let callbacks = 0;

const url = new URL("/ws", location.href);
url.protocol = url.protocol.replace("http", "ws");
const socket = new WebSocket(url, ["tengen.v1.json"]);

socket.onopen = () => (at("state").textContent = "connected");
socket.onclose = ({ code, reason }) => (at("state").textContent = `closed: ${code} ${reason}; load the page again`);
socket.onmessage = ({ data }) => {
  const [first, callback] = JSON.parse(data);
  if (first === "chsk/ws-ping") return socket.send('[["chsk/ws-pong"],null]');
  if (callback) return answered(callback, first);
  for (const [id, value] of Array.isArray(first[0]) ? first : [first]) {
    if (id === "tengen/publication") show(`${value.data.number}: ${value.data.text}`);
    else if (id === "tengen/error") show(`${value.id}: ${value.message}`);
  }
};

function answered(callback, value) {
  waiting.get(callback)?.(value);
  waiting.delete(callback);
}

function ask(id, data) {
  const callback = String(++callbacks);
  socket.send(JSON.stringify([[id, data], callback]));
  return new Promise((answer) => waiting.set(callback, answer));
}

at("form").onsubmit = async (event) => {
  event.preventDefault();
  const text = at("text").value;
  at("text").value = "";
  const { number, "tengen/error": why } = await ask("{{name}}/say", { text });
  show(why ? `${why.id}: ${why.message}` : `${number}: ${text} (you)`);
};
