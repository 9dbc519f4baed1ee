// Reads texts of Transit, one a line, with transit-js, and says what they are: as a description that knows no Transit, and as
// transit-js writes them, plain and verbose.

const transit = require("transit-js");
const readline = require("node:readline");

const reader = transit.reader("json");
const plain = transit.writer("json");
const verbose = transit.writer("json-verbose");

const hex = (bytes) => Buffer.from(bytes).toString("hex");

// The bits of a double, so that -0 and NaN are told apart.
function bits(number) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return hex(view.buffer);
}

function all(iterable) {
  const found = [];
  iterable.forEach((value, key) => found.push([value, key]));
  return found;
}

const text = (value) => hex(Buffer.from(value, "utf8"));

function describe(value) {
  if (value === null) return "nil";
  if (typeof value === "boolean") return `${value}`;
  if (typeof value === "number") return `d${bits(value)}`;
  if (typeof value === "string") return `s${text(value)}`;
  if (Array.isArray(value)) return `[${value.map(describe).join(" ")}]`;
  if (transit.isInteger(value)) return `i${value}`;
  if (transit.isKeyword(value)) return `k${text(value._name)}`;
  if (transit.isSymbol(value)) return `y${text(value._name)}`;
  if (transit.isUUID(value)) return `u${value}`;
  if (transit.isURI(value)) return `r${text(value.rep)}`;
  if (value instanceof Date) return `t${value.getTime()}`;
  if (value instanceof Uint8Array) return `b${hex(value)}`;
  if (transit.isSet(value)) return `#{${all(value).map(([it]) => describe(it)).sort().join(" ")}}`;
  if (transit.isMap(value)) {
    const pairs = all(value).map(([it, key]) => `${describe(key)} ${describe(it)}`);
    return `{${pairs.sort().join(" ")}}`;
  }
  if (transit.isTaggedValue(value)) return `#${text(value.tag)} ${describe(value.rep)}`;
  throw new Error(`what is ${value}?`);
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const value = reader.read(line);
  const written = { said: describe(value), plain: plain.write(value), verbose: verbose.write(value) };
  process.stdout.write(`${JSON.stringify(written)}\n`);
});
