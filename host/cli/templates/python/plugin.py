"""{{name}}: who says something is told its number, and everybody else hears it."""

import json

from wit_world import exports
from wit_world.exports.plugin import Description, StartReason
from wit_world.imports import types as t

ROOM = "{{name}}/room"  # The channel that everybody is in; the grant is `publish` in tengen.toml.
count = 0


def content(value) -> t.Content:
    return t.Content_Payload(t.Payload(t.Encoding.JSON, t.Body_Text(json.dumps(value))))


def done(answer: t.Answer, *actions: t.Action) -> t.Decision:
    return t.Decision_Done(t.Done(answer, [t.Effect(action, None, []) for action in actions], []))


def message(connection: int, sent: t.Message) -> t.Decision:
    global count
    if sent.id != "{{name}}/say":
        return t.Decision_Failed(t.Failed(t.Fault("unknown-event", "say something by `{{name}}/say`", None), None, []))
    data = json.loads(sent.payload.body.value)
    if not isinstance(data, dict) or not data.get("text"):
        return t.Decision_Failed(t.Failed(t.Fault("malformed", "say a word at least", None), None, []))
    count += 1
    said = t.Publish(ROOM, "{{name}}/said", content({"number": count, "text": data["text"]}), connection, False)
    return done(t.Answer_Given(content({"number": count})), t.Action_Publish(said))


def decide(event: t.Event) -> t.Decision:
    match event.what:
        case t.Occurrence_Message(sent):
            return message(event.connection, sent)
        case t.Occurrence_Opened():
            return done(t.Answer_Nothing(), t.Action_Subscribe(t.Membership(event.connection, ROOM)))
    return done(t.Answer_Nothing())


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="{{name}}", version="0.1.0", encoding=t.Encoding.JSON, max_batch=64, events=[], others=[],
            snapshot_writes=None, snapshot_reads=[], channels=[], subscriptions=[], users=False, missed=False, more=[],
        )

    def start(self, reason: StartReason) -> None:
        pass

    def stop(self) -> None:
        pass


class Handler(exports.Handler):
    def handle(self, events: list[t.Event]) -> list[t.Decision]:
        return [decide(event) for event in events]
