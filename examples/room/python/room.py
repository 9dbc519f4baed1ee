"""A moderated room in Python: who came first may send others out. What is in the rooms is kept over reloads."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.plugin import Description, StartReason
from wit_world.exports.snapshot import Piece, Place
from wit_world.imports import signals, types as t
from wit_world.imports.signal_types import Level, Value_Text

FORMAT = "room/1"
# Of each room its members, in the order in which they came: the connection's handle, and a name.
rooms: dict[str, list[tuple[int, str]]] = {}


class Refusal(Exception):
    """What a sender is told instead: a word of the gateway's, and a sentence."""

    def __init__(self, id: str, message: str):
        self.fault = t.Fault(id, message, None)


def content(value) -> t.Content:
    return t.Content_Payload(t.Payload(t.Encoding.JSON, t.Body_Text(json.dumps(value))))


def effect(what: t.Action, key: str | None = None) -> t.Effect:
    return t.Effect(what, key, [])


def done(answer: t.Answer, *effects: t.Effect) -> t.Decision:
    return t.Decision_Done(t.Done(answer, list(effects), []))


def given(value, *effects: t.Effect) -> t.Decision:
    return done(t.Answer_Given(content(value)), *effects)


def publish(room: str, id: str, what: t.Content, exclude: int | None = None) -> t.Effect:
    return effect(t.Action_Publish(t.Publish("room/" + room, id, what, exclude, False)))


def push(to: int, id: str, value) -> t.Effect:
    return effect(t.Action_Push(t.Push(t.Target_Connection(to), None, id, content(value))))


def find(connection: int | None) -> tuple[str, str] | None:
    """The room that a connection is in, and its name there."""
    for room, members in rooms.items():
        for member, name in members:
            if member == connection:
                return room, name
    return None


def leave(connection: int, is_open: bool = True) -> list[t.Effect]:
    """Takes a connection out of its room, if it is in one."""
    found = find(connection)
    if found is None:
        return []
    room, name = found
    rooms[room] = [member for member in rooms[room] if member[0] != connection]
    if not rooms[room]:
        del rooms[room]
    left = publish(room, "room/left", content({"name": name}), connection)
    gone = effect(t.Action_Unsubscribe(t.Membership(connection, "room/" + room)))
    return [gone, left] if is_open else [left]


def read(payload: t.Payload):
    """What a client of another format sends may have no form in JSON, and then comes as it is."""
    if payload.encoding != t.Encoding.JSON:
        raise Refusal("unsupported", "what you sent has no form in JSON")
    return json.loads(payload.body.value)


def text(data, key: str, most: int) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise Refusal("malformed", f"`{key}` has to be a text of 1 to {most} characters")
    return value


def message(index: int, connection: int, sent: t.Message) -> t.Decision:
    id = sent.id
    data = None if id == "room/show" else read(sent.payload)
    if id == "room/join":
        room, name = text(data, "room", 64), text(data, "name", 64)
        before = leave(connection)
        members = rooms.setdefault(room, [])
        members.append((connection, name))
        subscribe = t.Action_Subscribe(t.Membership(connection, "room/" + room))
        joined = publish(room, "room/joined", content({"name": name}), connection)
        return given({"members": len(members)}, *before, effect(subscribe, "join"), joined)
    found = find(connection)
    if found is None:
        raise Refusal("not-found", "you are in no room: join one first")
    room, name = found
    if id == "room/say":
        said = {"from": name, "text": text(data, "text", 65536)}
        return given(True, publish(room, "room/said", content(said)))
    if id == "room/show":
        # What the sender has sent, whatever it is, without a look at it.
        shown = t.Content_OfEvent(index)
        return done(t.Answer_Given(shown), publish(room, "room/shown", shown))
    if id == "room/who":
        return given({"room": room, "members": [member for _, member in rooms[room]]})
    if id == "room/kick":
        if rooms[room][0][0] != connection:
            raise Refusal("not-allowed", "only who came first may do that")
        wanted = text(data, "name", 64)
        for member, other in rooms[room]:
            if other == wanted:
                return given(True, push(member, "room/kicked", {"by": name}), *leave(member))
        return done(t.Answer_Fault(t.Fault("not-found", "nobody here has that name", None)))
    if id == "room/remind":
        ms = data.get("ms") if isinstance(data, dict) else None
        if not isinstance(ms, int) or isinstance(ms, bool) or not 0 <= ms <= 3_600_000:
            raise Refusal("malformed", "`ms` has to be a whole number of at most an hour")
        return given(True, effect(t.Action_SetTimer(t.Timer(connection, "remind", ms))))
    raise Refusal("unknown-event", "this room knows no such event")


def decide(index: int, event: t.Event) -> t.Decision:
    nothing, connection = t.Answer_Nothing(), event.connection
    match event.what:
        case t.Occurrence_Message(sent):
            return message(index, connection, sent)
        case t.Occurrence_Closed():
            return done(nothing, *leave(connection, is_open=False))
        case t.Occurrence_Timer() if found := find(connection):
            return done(nothing, push(connection, "room/reminded", {"room": found[0]}))
        case t.Occurrence_Refused(refused):
            facts = [("key", Value_Text(refused.key))]
            signals.emit(Level.WARN, "room/refused", refused.why.message, facts)
    return done(nothing)


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="room", version="1.0.0", encoding=t.Encoding.JSON, max_batch=64, events=["room/*"], others=[],
            snapshot_writes=FORMAT, snapshot_reads=[FORMAT], channels=[],
            subscriptions=[], users=False, missed=False, more=[],
        )

    def start(self, reason: StartReason) -> None:
        pass

    def stop(self) -> None:
        pass


class Handler(exports.Handler):
    def handle(self, events: list[t.Event]) -> list[t.Decision]:
        decisions = []
        for index, event in enumerate(events):
            try:
                decisions.append(decide(index, event))
            except Refusal as refusal:
                decisions.append(t.Decision_Failed(t.Failed(refusal.fault, None, [])))
        return decisions


class Snapshot(exports.Snapshot):
    def save(self, number: int) -> Piece:
        return Piece(FORMAT, json.dumps({"rooms": rooms}).encode(), True)

    def load(self, piece: Piece, place: Place) -> None:
        try:
            saved = json.loads(piece.bytes)["rooms"]
        except (ValueError, KeyError) as error:
            raise Err(f"the rooms cannot be read: {error}")
        for room, members in saved.items():
            rooms.setdefault(room, []).extend((handle, name) for handle, name in members)
