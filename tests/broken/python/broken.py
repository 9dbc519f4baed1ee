"""Breaks when it is told to."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.plugin import Description, StartReason
from wit_world.exports.snapshot import Piece, Place
from wit_world.imports import types as t


def divide(all: int) -> float:
    return all / 0  # It raises here.


def spin() -> None:
    while True:  # It stays here.
        pass


def decide(event: t.Event) -> t.Decision:
    match event.what:
        case t.Occurrence_Message(sent) if sent.id == "broken/divide":
            divide(7)
        case t.Occurrence_Message(sent) if sent.id == "broken/spin":
            spin()
    return t.Decision_Done(t.Done(t.Answer_Nothing(), [], []))


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="broken", version="1.0.0", encoding=t.Encoding.JSON, max_batch=1, events=[], others=[],
            snapshot_writes=None, snapshot_reads=[], channels=[],
            subscriptions=[], users=False, missed=False, more=[],
        )

    def start(self, reason: StartReason) -> None:
        pass

    def stop(self) -> None:
        pass


class Handler(exports.Handler):
    def handle(self, events: list[t.Event]) -> list[t.Decision]:
        return [decide(event) for event in events]


class Snapshot(exports.Snapshot):
    def save(self, number: int) -> Piece:
        raise Err("it has no state")

    def load(self, piece: Piece, place: Place) -> None:
        pass
