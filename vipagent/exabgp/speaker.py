"""The conversation with ExaBGP, sans-I/O: wishes in, command lines out, replies settle them (A6, E1).

`done` from ExaBGP does not mean "on the wire", and its table can diverge from what it acknowledged: changes
to one prefix that meet in one flush are reordered, and withdrawals made while a session is down can be
skipped (measured). So only the latest wish per prefix is kept, one command per prefix is in flight, a
withdrawal is said again about a second later, and everything is said again after a neighbour came up, and now
and then: announcements in another spelling, because ExaBGP drops what it believes to have said already.

The first thing said is a question: who is established? An agent that was started anew is not told (E5), and
the answer, or its absence, shows whether replies are on.
"""

from collections import deque
from dataclasses import dataclass, field

from vipagent.exabgp.messages import SHOW_NEIGHBORS

WINDOW = 32
"""Commands in flight at most: what is written always fits into ExaBGP's pipe (64 KiB)."""
REPLY_TIMEOUT = 5.0
"""Seconds: 4.2 never answers some bad routes, so a missing reply is a failure, not a reason to wait on."""
SILENCE = 2.0
"""Seconds without any reply ever after which replies count as turned off (`exabgp.api.ack`)."""
SILENT_DELAY = 0.2
"""Seconds after which a command counts as carried out where no replies come: longer than a flush."""
REPEAT_WITHDRAW = 1.0
"""Seconds after its acknowledgement at which a withdrawal is said again."""
AFTER_UP = 1.0
"""Seconds after a neighbour's `up` at which everything is said again: its first flush skips withdrawals."""
RECONCILE = 300.0
"""Seconds after which everything is said again, whatever happened."""
OTHER_SPELLING = " origin igp"
"""Means nothing on the wire, being the default, but makes ExaBGP send an announcement again."""
RETRY_MIN, RETRY_MAX = 0.5, 30.0
"""Seconds before a refused command is tried again: the first time, and at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command."""

    vip: str
    line: str
    error: str = ""
    """Empty: carried out."""
    wished: bool = True
    """Whether it is still what is wished."""
    announced: bool = False
    """Whether it was an announcement."""


@dataclass(slots=True)
class _Slot:
    """One prefix: what is wished for it, and how far that has got."""

    line: str
    withdrawn: bool
    spelling: str = ""
    busy: bool = False
    repeat: bool = False
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Sent:
    vip: str
    """Empty: the question."""
    line: str
    withdrawn: bool
    at: float


@dataclass
class Speaker:
    """Turns wishes into ExaBGP's commands and replies into outcomes."""

    silent: bool = False
    """Whether replies count as turned off."""
    heard: bool = False
    """Whether any reply ever came."""
    _asked: bool = False
    _slots: dict[str, _Slot] = field(default_factory=dict)
    _ready: dict[str, None] = field(default_factory=dict)
    _later: dict[str, float] = field(default_factory=dict)
    _in_flight: deque[_Sent] = field(default_factory=deque)
    _reconcile_at: float | None = None

    def announce(self, vip: str, line: str) -> None:
        """Wish that `vip` is announced by this command."""
        self._wish(vip, line, withdrawn=False)

    def withdraw(self, vip: str, line: str) -> None:
        """Wish that `vip` is withdrawn by this command."""
        self._wish(vip, line, withdrawn=True)

    def neighbor_up(self, now: float) -> None:
        """Note that a BGP session came up: its table may not be what was acknowledged."""
        self._reconcile_at = now + AFTER_UP

    def replied(self, error: str, now: float) -> Outcome | None:
        """Take the reply to the oldest command in flight.

        Args:
            error: what went wrong, or nothing.
            now: the monotonic clock, in seconds.

        Returns:
            What became of the command; None for a reply that belongs to no command of ours.
        """
        self.heard, self.silent = True, False
        return self._settle(error, now) if self._in_flight else None

    def overdue(self, now: float) -> list[Outcome]:
        """Return what became of the commands that were never answered."""
        outcomes = []
        while self._in_flight and now >= self._in_flight[0].at + self._patience:
            if not self.heard:
                self.silent = True
            error = "" if self.silent else f"no reply within {REPLY_TIMEOUT:g} s"
            outcome = self._settle(error, now)
            if outcome:
                outcomes.append(outcome)
        return outcomes

    def commands(self, now: float) -> list[str]:
        """Return the command lines to write now, and count them as written."""
        self._wake(now)
        if not self._asked:
            self._asked = True
            self._in_flight.append(_Sent("", SHOW_NEIGHBORS, withdrawn=False, at=now))
            return [SHOW_NEIGHBORS]
        if self._in_flight and not self._in_flight[0].vip:
            return []  # its answer may overtake, or be overtaken
        lines = []
        while self._ready and len(self._in_flight) < WINDOW:
            vip = next(iter(self._ready))
            del self._ready[vip]
            slot = self._slots[vip]
            slot.busy = True
            self._in_flight.append(_Sent(vip, slot.line, slot.withdrawn, now))
            lines.append(slot.line + slot.spelling)
        return lines

    @property
    def busy(self) -> bool:
        """Whether a command is still to be written or answered."""
        return bool(self._in_flight or self._ready)

    def deadline(self) -> float | None:
        """Return the time at which `overdue` and `commands` want to be called again, whatever happens."""
        times = list(self._later.values())
        if self._in_flight:
            times.append(self._in_flight[0].at + self._patience)
        if self._reconcile_at is not None:
            times.append(self._reconcile_at)
        return min(times, default=None)

    @property
    def _patience(self) -> float:
        if self.silent:
            return SILENT_DELAY
        return REPLY_TIMEOUT if self.heard else SILENCE

    def _wish(self, vip: str, line: str, *, withdrawn: bool) -> None:
        slot = self._slots.get(vip)
        if slot is not None and slot.line == line:
            return
        if slot is None:
            slot = self._slots[vip] = _Slot(line, withdrawn)
        slot.line, slot.withdrawn, slot.spelling, slot.failures, slot.repeat = (
            line,
            withdrawn,
            "",
            0,
            withdrawn,
        )
        self._later.pop(vip, None)
        if not slot.busy:
            self._ready[vip] = None

    def _settle(self, error: str, now: float) -> Outcome | None:
        sent = self._in_flight.popleft()
        if not sent.vip:
            return None
        slot = self._slots[sent.vip]
        slot.busy = False
        wished = slot.line == sent.line
        if not wished:
            self._ready[sent.vip] = None
        elif error:
            self._later[sent.vip] = now + min(RETRY_MIN * 2.0**slot.failures, RETRY_MAX)
            slot.failures = min(slot.failures + 1, 16)
        else:
            slot.failures = 0
            if slot.repeat:
                slot.repeat = False
                self._later[sent.vip] = now + REPEAT_WITHDRAW
        return Outcome(sent.vip, sent.line, error, wished, not sent.withdrawn)

    def _wake(self, now: float) -> None:
        for vip in [vip for vip, at in self._later.items() if now >= at]:
            del self._later[vip]
            self._ready[vip] = None
        if self._reconcile_at is None:
            self._reconcile_at = now + RECONCILE
        elif now >= self._reconcile_at:
            self._reconcile_at = now + RECONCILE
            idle = [vip for vip, slot in self._slots.items() if not slot.busy and vip not in self._later]
            for vip in sorted(idle, key=lambda vip: not self._slots[vip].withdrawn):
                self._say_again(vip)

    def _say_again(self, vip: str) -> None:
        slot = self._slots[vip]
        if not slot.withdrawn:
            slot.spelling = "" if slot.spelling else OTHER_SPELLING
        self._ready[vip] = None
