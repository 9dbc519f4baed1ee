#!/usr/bin/env python3
"""Compares a gateway's MessagePack with that of the package `msgpack`, value by value.

    cargo build -p tengen && cargo xtask guests && python3 examples/python/compare.py

Each value goes from Python in MessagePack, in the shortest form and in longer ones, through the gateway to clients in JSON and
EDN; the client in EDN sends what it heard back, and what the gateway makes of it has to be what `msgpack` makes of the
value, byte by byte. What JSON can say goes the other way, too.
"""
import argparse, asyncio, base64, collections, datetime, json, math, os, pathlib, random, re, struct, subprocess, sys, tempfile

import msgpack
from client import BINARY, TEXT, Client

CONFIG = """
[server]
listen = "127.0.0.1:0"
port_file = "port"
[admin]
listen = "off"
[plugin.relay]
file = "{guests}/handler_relay.wasm"
grant.publish = ["relay/*"]
[[route]]
event = "relay/*"
plugin = "relay"
"""
TEXTS = ["", "a", "a/b", "not a keyword", "é", "\u0000", "\"\\\n\t\r\u0007", "👩\u200d💻", "\U0001F600" * 20, "0", "+", "x" * 31, "x" * 32,
         "x" * 255, "x" * 256, "y" * 70_000]
NUMBERS = [0, 1, -1, 127, 128, 255, 256, 65_535, 65_536, -32, -33, -128, -129, -32_768, -32_769, 2**31, 2**32 - 1, 2**32, -2**31,
           -2**31 - 1, 2**53 - 1, 2**53, 2**53 + 1, -2**53 - 1, 2**63 - 1, -2**63, 2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 1.5, 1e300, 5e-324, 0.1, math.inf, -math.inf, math.nan, 3.0, 1e22, -123456.789]
DAYS = (-62_135_596_800, 253_402_300_799)  # The years 1 to 9999.
counts = collections.Counter()


def value(any, depth):
    """Some value. The deeper, the sooner it ends."""
    kinds = ["nil", "bool", "integer", "float", "text", "bytes", "time"] + (["list", "map"] * 3 if depth else [])
    kind = any.choice(kinds)
    counts[kind] += 1
    match kind:
        case "nil": return None
        case "bool": return any.random() < 0.5
        case "integer": return any.choice([any.choice(NUMBERS), any.getrandbits(any.randint(1, 63)) * any.choice([1, -1])])
        case "float":
            it = any.choice([any.choice(FLOATS), struct.unpack("!d", any.randbytes(8))[0]])
            return math.nan if math.isnan(it) else it  # EDN has one of them.
        case "text": return text(any)
        case "bytes": return any.randbytes(any.choice([0, 1, 3, 255, 256, 66_000] if any.random() < 0.1 else [0, 1, 2, 3, 20]))
        case "time":
            seconds = any.choice([0, 1, 2**32 - 1, 2**32, 2**34 - 1, 2**34, -1, *DAYS, any.randint(*DAYS)])
            return msgpack.Timestamp(seconds, any.choice([0, 1, 500_000_000, 999_999_999, any.randrange(10**9)]))
        case "list": return [value(any, depth - 1) for _ in range(any.choice([0, 1, 2, 3, 15, 16]))]
        case "map":
            keys = [any.choice([text, lambda any: any.choice(NUMBERS)])(any) for _ in range(any.choice([0, 1, 2, 3, 15, 16]))]
            return {key: value(any, depth - 1) for key in keys}


def text(any):
    few = any.choice(TEXTS[:-1] if any.random() < 0.99 else TEXTS)
    return any.choice([few, "".join(map(chr, any.choices([97, 47, 45, 233, 0x20AC, 0x1F600, 34, 92, 10, 32], k=any.randint(0, 40))))])


def long(any, it):
    """A value in MessagePack, in forms that are longer than they have to be."""
    def length(count, forms):
        fits = [form for form in forms if count < 1 << 8 * struct.calcsize(form[1])]
        byte, size = any.choice(fits)
        return bytes([byte]) + struct.pack("!" + size, count)
    match it:
        case bool() | None | msgpack.Timestamp(): return msgpack.packb(it)
        case int():
            forms = [(0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q"), (0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q")]
            def packed(byte, size):
                try: return bytes([byte]) + struct.pack("!" + size, it)
                except struct.error: return None
            return any.choice([bytes for bytes in [packed(*form) for form in forms] if bytes])
        case float():
            try: short = struct.pack("!f", it)
            except OverflowError: short = b""
            same = short and struct.pack("!d", *struct.unpack("!f", short)) == struct.pack("!d", it)
            return any.choice([b"\xca" + short, msgpack.packb(it)]) if same else msgpack.packb(it)
        case str():
            body = it.encode()
            return length(len(body), [(0xD9, "B"), (0xDA, "H"), (0xDB, "I")]) + body
        case bytes(): return length(len(it), [(0xC4, "B"), (0xC5, "H"), (0xC6, "I")]) + it
        case list(): return length(len(it), [(0xDC, "H"), (0xDD, "I")]) + b"".join(long(any, one) for one in it)
        case dict():
            pairs = b"".join(long(any, key) + long(any, one) for key, one in it.items())
            return length(len(it), [(0xDE, "H"), (0xDF, "I")]) + pairs


def in_json(it):
    """What docs/protocol.md says that a value is in JSON, as Python reads it."""
    match it:
        case bool() | None | str(): return it
        case int(): return it if abs(it) <= 2**53 else str(it)
        case float(): return it if math.isfinite(it) else None
        case bytes(): return base64.b64encode(it).decode()
        case list(): return [in_json(one) for one in it]
        case dict():
            pairs = {}
            for key, one in it.items():
                pairs.pop(str(key), None)  # Of two keys that become the same, the last one stays.
                pairs[str(key)] = in_json(one)
            return pairs
        case msgpack.Timestamp():
            at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=it.seconds)
            digits = f"{it.nanoseconds:09}"
            fraction = next(digits[:count] for count in (3, 9) if set(digits[count:]) <= {"0"})
            return f"{at:%Y}".zfill(4) + f"{at:-%m-%dT%H:%M:%S}.{fraction}Z"


def is_json(it):
    """Whether JSON holds it without loss."""
    match it:
        case list(): return all(map(is_json, it))
        case dict(): return all(isinstance(key, str) for key in it) and all(map(is_json, it.values()))
        case float(): return math.isfinite(it)
        case _: return isinstance(it, (int, str)) or it is None


class Listener(Client):
    """A client of which frames are kept as they came: what was published, and answers."""

    def __init__(self, url, format):
        super().__init__(url, "msgpack" if format == "edn" else format, told=lambda _: None)
        self.protocols, self.read, self.came = ["tengen.v1." + format], self.unpack, asyncio.Queue()
        if format == "edn":
            self.opcode, self.pack = TEXT, lambda frame: f'[[:{frame[0][0]} nil] "{frame[1]}"]'.encode()
        self.before, self.behind = {"json": (b'"data":', b',"offset":'), "edn": (b":data ", b" :offset "),
                                    "msgpack": (b"\xa4data", b"\xa6offset")}[format]
        self.unpack = self.edn if format == "edn" else self.kept

    def kept(self, body):
        if self.before in body and b"tengen/publication" in body[:40]:
            self.came.put_nowait(body[body.index(self.before) + len(self.before):body.rindex(self.behind)])
            return [None, ""]
        if b"tengen/error" in body[:40]:
            sys.exit(f"an error came: {body[:500]}")
        return self.read(body)

    def edn(self, body):
        if b"chsk/handshake" in body[:20]:
            return [["", [None, None, {"ping-ms": 25_000, "max-bytes": 1 << 20}]], None]
        self.read = lambda body: [None, body.decode().split('"')[1]]
        return self.kept(body)


async def compare(url, options):
    any = random.Random(options.seed)
    listeners = [Listener(url, format) for format in ("msgpack", "edn", "json")]
    runs = [asyncio.create_task(listener.run()) for listener in listeners]
    for listener in listeners:
        await listener.opened.wait()
        await listener.ask("relay/join")
    packed, edn, plain = listeners
    for number in range(options.values):
        it = value(any, any.choice([0, 1, 2, 3]))
        for _ in range(any.choice([0] * 50 + [40])):
            it = [it]
        short = msgpack.packb(it)
        if len(short) > 300_000:
            continue
        sent = any.choice([short, long(any, it)])
        packed.write(BINARY, b"\x91\x92\xa9relay/say" + sent)
        same(number, "as it was sent", await packed.came.get(), sent)
        text = await edn.came.get()
        meant, heard = repr(in_json(it)), repr(json.loads(await plain.came.get()))
        same(number, "in JSON", heard, meant)
        edn.write(TEXT, b"[[:relay/say " + text + b"]]")
        same(number, "back from EDN", await packed.came.get(), short)
        same(number, "in EDN", await edn.came.get(), text)
        same(number, "in JSON from EDN", repr(json.loads(await plain.came.get())), meant)
        counts["values"] += 1
        if is_json(it):
            counts["from JSON"] += 1
            plain.write(TEXT, b'[["relay/say",' + json.dumps(it).encode() + b"]]")
            same(number, "from JSON", await packed.came.get(), short)
            await asyncio.gather(edn.came.get(), plain.came.get())
    for run in runs:
        run.cancel()


def same(number, what, heard, expected):
    if heard != expected:
        at = next((place for place, (one, other) in enumerate(zip(heard, expected)) if one != other), 0)
        near = slice(max(0, at - 40), at + 40)
        sys.exit(f"value {number} {what}, from {at} on:\n  {heard[near]!r}\nexpected\n  {expected[near]!r}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--gateway", default="target/debug/tengen")
    options.add_argument("--guests", default="target/guests")
    options.add_argument("--values", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, port = pathlib.Path(folder, "tengen.toml"), pathlib.Path(folder, "port")
        config.write_text(CONFIG.format(guests=pathlib.Path(options.guests).resolve()))
        gateway = subprocess.Popen([pathlib.Path(options.gateway).resolve(), "serve", "--config", config],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while gateway.poll() is None and not (port.exists() and port.read_text().strip()):
                os.sched_yield()
            asyncio.run(compare(f"ws://127.0.0.1:{port.read_text().strip()}/ws", options))
        finally:
            gateway.terminate()
            gateway.wait()
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"seed {options.seed}, msgpack {'.'.join(map(str, msgpack.version))}: all the same; {told}")


if __name__ == "__main__":
    main()
