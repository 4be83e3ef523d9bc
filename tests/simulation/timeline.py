"""Readable timeline of a run."""

from dataclasses import dataclass
from enum import Enum

from vipagent.core import actions, events
from vipagent.core.actions import Action

SHOWN_ACTIONS = (actions.Announce, actions.Withdraw, actions.Register, actions.Deregister)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message or one decision of a core."""

    at: float
    source: str
    event: str | events.Event
    todo: tuple[Action, ...] = ()

    def __str__(self) -> str:
        if isinstance(self.event, str):
            return f"{self.at:10.3f}  {self.source:8}  {self.event}"
        actions_text = "".join(f"\n{'':22}=> {_format(action)}" for action in self.todo)
        return f"{self.at:10.3f}  {self.source:8}  {_format(self.event)}{actions_text}"


def _format(item: object) -> str:
    """Format an event or an action: `MembersSeen 10.0.0.0 10.0.1.0`."""
    fields = [getattr(item, name) for name in getattr(item, "__slots__", ())]
    return " ".join([type(item).__name__, *filter(None, map(_format_value, fields))])


def _format_value(value: object) -> str:
    match value:
        case dict():
            return " ".join(
                name if member.claim == "other" else f"{name}({member.claim})"
                for name, member in value.items()
            )
        case actions.Preference(rank, draining):
            return f"rank {rank}{', draining' if draining else ''}"
        case Enum():
            return str(value)
        case bool():
            return "yes" if value else "-"
        case _:
            return str(value)


class Timeline:
    """Records entries."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Add an entry, without the actions that other nodes cannot observe."""
        todo = tuple(action for action in entry.todo if isinstance(action, SHOWN_ACTIONS))
        if todo or not isinstance(
            entry.event, events.TimerFired | events.CheckFinished | events.RouteAccepted
        ):
            self._entries.append(Entry(entry.at, entry.source, entry.event, todo))

    def format(self, since: float) -> str:
        """Format the entries since a time."""
        return "\n".join(str(entry) for entry in self._entries if entry.at >= since)
