"""What happened in a run, to be read by people."""

from dataclasses import dataclass
from enum import Enum

from vipagent.core import actions, events
from vipagent.core.actions import Action

SHOWN = (actions.Announce, actions.Withdraw, actions.Register, actions.Deregister)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: something befell somebody, or a core decided something."""

    at: float
    who: str
    what: str | events.Event
    todo: tuple[Action, ...] = ()

    def __str__(self) -> str:
        if isinstance(self.what, str):
            return f"{self.at:10.3f}  {self.who:8}  {self.what}"
        followed = "".join(f"\n{'':22}=> {_told(action)}" for action in self.todo)
        return f"{self.at:10.3f}  {self.who:8}  {_told(self.what)}{followed}"


def _told(thing: object) -> str:
    """Return an event or an action in short: `MembersSeen 10.0.0.0 10.0.1.0`."""
    fields = [getattr(thing, name) for name in getattr(thing, "__slots__", ())]
    return " ".join([type(thing).__name__, *filter(None, map(_word, fields))])


def _word(value: object) -> str:
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
    """Takes down all that happens."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take down what happened; of what a core does, only what others would notice."""
        todo = tuple(action for action in entry.todo if isinstance(action, SHOWN))
        if todo or not isinstance(
            entry.what, events.TimerFired | events.CheckFinished | events.RouteAccepted
        ):
            self._entries.append(Entry(entry.at, entry.who, entry.what, todo))

    def tell(self, since: float) -> str:
        """Return the lines from a time on."""
        return "\n".join(str(entry) for entry in self._entries if entry.at >= since)
