"""The conversation with ExaBGP, sans-I/O: wishes in, command lines out, replies settle them (A6, E1).

`done` from ExaBGP does not mean "on the wire", and its table can diverge from what it acknowledged: changes
to one prefix that meet in one flush are reordered, and withdrawals made while a session is down can be
skipped (measured). So only the latest wish per prefix is kept, one command per prefix is in flight, a
withdrawal is said again about a second later, and everything is said again after a neighbour came up, and now
and then: announcements in another spelling, because ExaBGP drops what it believes to have said already.

Replies come in the order of the commands and say no more than `done` or `error`. Where one is missing (4.2
drops some bad routes without a word; or ExaBGP is stopped), those that came may have been other commands'. So
everything is in doubt then, and said again, one by one.

The first thing said, and said again when a reply is missing, is a question: who is established? An agent that
was started anew is not told (E5); its answer is known by its first line, so replies that come before it are
old ones; and whether a reply follows it shows whether replies are on.

The same question is asked every few seconds besides (E5, N2), one at a time and after the routes. ExaBGP
takes commands in order, so it may be asked with commands in flight: the reply next to its answer is its own.
"""

from collections import deque
from dataclasses import InitVar, dataclass, field, replace

from vipagent.core.state import earliest
from vipagent.exabgp.asking import ASK_EVERY, SILENT_DELAY, Asking
from vipagent.exabgp.messages import SHOW_NEIGHBORS

WINDOW = 32
"""Commands in flight at most: what is written always fits into ExaBGP's pipe (64 KiB)."""
REPLY_TIMEOUT = 5.0
"""Seconds: 4.2 never answers some bad routes, so a missing reply is a failure, not a reason to wait on."""
ALONE_TIMEOUT = 1.0
"""Seconds for the reply to the only command in flight: all others wait for it; tens of ms are usual."""
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
    latency: float | None = field(default=None, compare=False)
    """Seconds from the command to its reply; None: none came."""


@dataclass(slots=True)
class _Slot:
    """One prefix: what is wished for it, and how far that has got."""

    line: str
    withdrawn: bool
    spelling: str = ""
    busy: bool = False
    repeat: bool = False
    doubtful: bool = False
    """To be said while nothing else is in flight: its last reply is missing, or was another's."""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Sent:
    vip: str
    line: str
    withdrawn: bool
    at: float


@dataclass
class Speaker:
    """Turns wishes into ExaBGP's commands and replies into outcomes.

    Args:
        ask_every: seconds from an answer to the next question.
        silent: whether replies count as turned off.
        heard: whether any reply ever came.
    """

    ask_every: InitVar[float] = ASK_EVERY
    silent: bool = False
    heard: bool = False
    _asking: Asking = field(init=False)
    _slots: dict[str, _Slot] = field(default_factory=dict)
    _ready: dict[str, None] = field(default_factory=dict)
    _later: dict[str, float] = field(default_factory=dict)
    _in_flight: deque[_Sent] = field(default_factory=deque)
    _reconcile_at: float | None = None
    _ending: bool = False
    """Whether nothing waits any more but for the reply to its own prefix's last command."""

    def __post_init__(self, ask_every: float) -> None:
        self._asking = Asking(ask_every)

    def announce(self, vip: str, line: str) -> None:
        """Wish that `vip` is announced by this command."""
        self._wish(vip, line, withdrawn=False)

    def withdraw(self, vip: str, line: str) -> None:
        """Wish that `vip` is withdrawn by this command."""
        self._wish(vip, line, withdrawn=True)

    def neighbor_up(self, now: float) -> None:
        """Note that a BGP session came up: its table may not be what was acknowledged."""
        self._reconcile_at = now + AFTER_UP

    def doubt_question(self, now: float) -> None:
        """Ask again soon who is established: an answer may be lost."""
        self._asking.doubt(now)

    def answered(self, now: float) -> None:
        """Record the first line of the answer to a question."""
        self._asking.answered(now)

    def replied(self, error: str, now: float) -> Outcome | None:
        """Take the reply to the question or to the oldest command in flight.

        Args:
            error: what went wrong, or nothing.
            now: the monotonic clock, in seconds.

        Returns:
            What became of the command; None for a reply that belongs to no command of ours.
        """
        first, self.heard, self.silent = not self.heard, True, False
        if self._asking.takes_reply(first=first) or not self._in_flight:
            return None
        return self._replied(self._in_flight.popleft(), error, now)

    def overdue(self, now: float) -> list[Outcome]:
        """Wake up what waits for its time; return what became of the commands that were never answered."""
        self._wake(now)
        outcomes: list[Outcome] = []
        while (at := self._patience_ends()) is not None and now >= at:
            if self._asking.awaited:
                self.silent = self._asking.give_up()
            elif self.silent:
                outcomes.append(self._settle(self._in_flight.popleft(), "", now))
            else:
                outcomes += self._lose_track(now)
        return outcomes

    def commands(self, now: float) -> list[str]:
        """Return the command lines to write now, and count them as written."""
        if self._ending:
            return self._send_all(now)
        if self._asking.first:
            self._asking.asked_first(now)
            return [SHOW_NEIGHBORS]
        if self._asking.awaited:
            return []
        lines = [self._send(vip, now) for vip in self._sendable()]
        if self._asking.due:
            self._asking.asked(now)
            lines.append(SHOW_NEIGHBORS)
        return lines

    def last_words(self, now: float) -> list[str]:
        """Return all that can be written at once: from now on only a prefix that is in flight waits (E3)."""
        self._ending = True
        return self._send_all(now)

    def unanswered_withdrawals(self) -> list[str]:
        """Return the withdrawals of prefixes that are still in flight, in the very end.

        ExaBGP may carry out what meets in one flush in another order, so they waited as long as they could.
        A hung one reads them when it goes on.
        """
        lines = {sent.vip: sent.line for sent in self._in_flight}
        return [
            slot.line
            for vip, slot in self._slots.items()
            if slot.busy and slot.withdrawn and lines.get(vip) != slot.line
        ]

    @property
    def busy(self) -> bool:
        """Whether a command is still to be written or answered, or a withdrawal to be tried again."""
        if self._in_flight or self._ready:
            return True
        return any(self._slots[vip].withdrawn and self._slots[vip].failures for vip in self._later)

    def deadline(self) -> float | None:
        """Return the time at which `overdue` and `commands` want to be called again, whatever happens."""
        later = min(self._later.values(), default=None)
        return earliest(later, self._patience_ends(), self._reconcile_at, self._asking.at)

    def _patience_ends(self) -> float | None:
        if self._asking.awaited:
            return self._asking.patience_ends()
        if not self._in_flight:
            return None
        oldest = self._in_flight[0]
        if self.silent:
            return oldest.at + SILENT_DELAY
        return oldest.at + (ALONE_TIMEOUT if self._slots[oldest.vip].doubtful else REPLY_TIMEOUT)

    def _wish(self, vip: str, line: str, *, withdrawn: bool) -> None:
        slot = self._slots.setdefault(vip, _Slot("", withdrawn))
        if slot.line == line:
            return
        slot.line, slot.withdrawn, slot.repeat = line, withdrawn, withdrawn
        slot.spelling, slot.failures = "", 0
        self._later.pop(vip, None)
        if not slot.busy:
            self._ready[vip] = None

    def _sendable(self) -> list[str]:
        """Return whose turn it is: the undoubted in company, the doubtful alone."""
        if not self._ready or any(self._slots[sent.vip].doubtful for sent in self._in_flight):
            return []
        undoubted = [vip for vip in self._ready if not self._slots[vip].doubtful]
        if undoubted or self._in_flight:
            return undoubted[: max(0, WINDOW - len(self._in_flight))]
        return list(self._ready)[:1]

    def _send_all(self, now: float) -> list[str]:
        return [self._send(vip, now) for vip in list(self._ready)]

    def _send(self, vip: str, now: float) -> str:
        del self._ready[vip]
        slot = self._slots[vip]
        slot.busy = True
        self._in_flight.append(_Sent(vip, slot.line, slot.withdrawn, now))
        return slot.line + slot.spelling

    def _replied(self, sent: _Sent, error: str, now: float) -> Outcome:
        return replace(self._settle(sent, error, now), latency=now - sent.at)

    def _settle(self, sent: _Sent, error: str, now: float) -> Outcome:
        slot = self._slots[sent.vip]
        slot.busy = slot.doubtful = False
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

    def _lose_track(self, now: float) -> list[Outcome]:
        """Give up what is in flight; unless it was alone, it is unknown which replies were whose."""
        lost, self._in_flight = self._in_flight, deque()
        alone = self._slots[lost[0].vip].doubtful
        outcomes = [self._settle(sent, f"no reply within {now - sent.at:.1f} s", now) for sent in lost]
        for vip in [lost[0].vip] if alone else self._slots:
            self._slots[vip].doubtful = True
            if vip not in self._later:
                self._say_again(vip)
        self._asking.first = self._asking.answers
        return outcomes

    def _wake(self, now: float) -> None:
        self._asking.wake(now)
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
