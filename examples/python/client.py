"""A client of `tengen.v1`, written from docs/protocol.md: Python's standard library, and `msgpack` for MessagePack."""
import asyncio, base64, functools, hashlib, itertools, json, os, random, time
from urllib.parse import urlsplit

# Seconds: for a connection or the answer to a ping; for a reply (the gateway waits 30); between two tries at most.
PATIENCE, REPLY, LONGEST = 10, 35, 30
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
REQUEST = ("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n")

class Refused(Exception): """What was asked is answered by an error: its map, see docs/errors.md."""
class Closed(Exception): """In which words, whether to come back, and after how many seconds at least."""

def codec(format):
    if format == "json":
        return TEXT, lambda frame: json.dumps(frame, separators=(",", ":"), allow_nan=False).encode(), json.loads
    try:
        import msgpack
    except ImportError:
        raise SystemExit("MessagePack needs a package: python3 -m pip install msgpack") from None
    read = functools.partial(msgpack.unpackb, strict_map_key=False, timestamp=3)
    return BINARY, functools.partial(msgpack.packb, datetime=True), read

class Client:
    """Comes back when its connection ends, until `run` is cancelled. `heard(id, data)` gets events, `told(words)` the rest."""
    def __init__(self, url, format="json", token=None, heard=print, told=print):
        self.url, self.heard, self.told = url, heard, told
        self.protocols = ["tengen.v1." + format] + (["tengen.token." + token] if token else [])
        self.opcode, self.pack, self.unpack = codec(format)
        self.asked, self.callbacks = {}, itertools.count(1)
        self.opened = asyncio.Event()

    async def ask(self, id, data=None):
        """The reply. Raises Refused; TimeoutError or ConnectionError: nobody knows whether it was carried out."""
        callback, answer = str(next(self.callbacks)), asyncio.get_running_loop().create_future()
        self.asked[callback] = answer
        try:
            await self.send(id, data, callback)
            return await asyncio.wait_for(answer, REPLY)
        finally:
            del self.asked[callback]

    async def send(self, id, data=None, callback=None):
        body = self.pack([[id, data], callback])
        if not self.opened.is_set():
            raise ConnectionError("there is no connection")
        if len(body) > self.most:
            raise ValueError(f"{len(body)} bytes are more than the {self.most} that the gateway takes")
        self.write(self.opcode, body)
        await self.writer.drain()

    async def run(self):
        """Keeps a connection open until the gateway asks not to come back. Returns what it said."""
        failures = 0
        while True:
            began, self.pause = time.monotonic(), 0
            try:
                await self.serve()
            except Closed as error:
                words, again, after = error.args
            except (OSError, EOFError, ValueError) as error:
                words, again, after = f"1006 {type(error).__name__}", True, 0
            if not again:
                return words
            failures = 1 if time.monotonic() - began > LONGEST else failures + 1
            wait = max(self.pause, after) + random.uniform(0, min(LONGEST, 2 ** min(failures, 9) / 4))
            self.told(f"{words}; back in {wait:.1f} s")
            await asyncio.sleep(wait)

    async def serve(self):
        reader = await asyncio.wait_for(self.connect(), PATIENCE)
        frames, beat = self.frames(reader), None
        try:
            [_, [user, _, info, *_]], *_ = await asyncio.wait_for(anext(frames), PATIENCE)
            self.most, beat = info["max-bytes"], asyncio.create_task(self.beat(info["ping-ms"] / 1000))
            self.opened.set()
            self.told("open" + (f" as {user}" if user else ""))
            async for frame in frames:
                self.take(*frame[:2])
        finally:
            self.opened.clear()
            self.write(CLOSE, (1000).to_bytes(2))
            self.writer.close()
            beat and beat.cancel()
            for answer in self.asked.values():
                answer.done() or answer.set_exception(ConnectionError("the connection ended before the reply"))

    async def connect(self):
        at, key = urlsplit(self.url), base64.b64encode(os.urandom(16)).decode()
        port, tls = (443, True) if at.scheme == "wss" else (80, None)
        reader, self.writer = await asyncio.open_connection(at.hostname, at.port or port, ssl=tls)
        target = (at.path or "/") + (at.query and "?" + at.query)
        self.writer.write(REQUEST.format(target, at.netloc, key, ", ".join(self.protocols)).encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code = int(status.split()[1])
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if code == 101 and headers.get("sec-websocket-accept") == base64.b64encode(accept).decode():
            return reader
        why = (await reader.readexactly(int(headers.get("content-length", 0)))).decode(errors="replace").strip()
        self.writer.close()
        raise Closed(f"{code} {why}", code in (408, 429) or code >= 500, float(headers.get("retry-after", 0)))

    async def frames(self, reader):
        begun = b""
        while True:
            first, length = await reader.readexactly(2)
            if length > 125:
                length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
            payload, self.alive = await reader.readexactly(length), time.monotonic()
            if first & 15 == CLOSE:
                code = int.from_bytes(payload[:2]) or 1005
                raise Closed(f"{code} {payload[2:].decode()}", code != 1000 and code < 4500, 0)
            if first & 15 == PING:
                self.write(PONG, payload)
            elif not first & 8:
                begun += payload
                if first & 128:
                    yield self.unpack(begun)
                    begun = b""

    def write(self, opcode, payload):
        n, mask = len(payload), os.urandom(4)
        size = bytes([128 | n]) if n < 126 else b"\xfe" + n.to_bytes(2) if n < 65536 else b"\xff" + n.to_bytes(8)
        masked = (int.from_bytes(payload) ^ int.from_bytes((mask * (n // 4 + 1))[:n])).to_bytes(n)
        self.writer.write(bytes([128 | opcode]) + size + mask + masked)

    def take(self, value, callback):
        answer = self.asked.get(callback)
        if answer and not answer.done():
            fault = isinstance(value, dict) and value.get("tengen/error")
            answer.set_exception(Refused(fault)) if fault else answer.set_result(value)
        elif value == "chsk/ws-ping":
            self.write(self.opcode, self.pack([["chsk/ws-pong"]]))
        elif callback is None and isinstance(value[0], list):
            for id, data in value:
                if id == "tengen/reconnect":
                    self.pause = data["after-ms"] / 1000
                self.heard(id, data)

    async def beat(self, every):
        while True:
            await asyncio.sleep(self.alive + every - time.monotonic())
            asked = time.monotonic()
            if asked - self.alive >= every:
                self.write(self.opcode, self.pack(["chsk/ws-ping", None]))
                await asyncio.sleep(PATIENCE)
                if self.alive < asked:
                    self.writer.transport.abort()
