"""Desired commands of all prefixes, and their progress (A6, E1), sans-I/O.

The command of a prefix has one line, or an announcement one line per kind of neighbour (N10). All its lines
are sent together, and concern disjoint neighbours.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from vipagent.exabgp.results import CommandResult
from vipagent.exabgp.route import respelled

WITHDRAW_REPEAT_DELAY = 1.0
"""Delay in seconds between the acknowledgement of a withdrawal and its repetition."""
MIN_REJECTED_DELAY, MAX_REJECTED_DELAY = 0.5, 30.0
"""Delay in seconds before a rejected command is retried: the first one and the longest."""

Lines = tuple[str, ...]


@dataclass(slots=True)
class Prefix:
    """The desired command of one prefix, and its progress."""

    lines: Lines = ()
    withdrawn: bool = False
    written: Lines = ()
    """The last lines written, in their first spelling."""
    written_respelled: bool = False
    """Whether they were written in their other spelling."""
    respelled: bool = False
    """Whether to write each line in its other spelling: in every second resend."""
    in_flight: bool = False
    repeat: bool = False
    """Whether to repeat the withdrawal once it is acknowledged."""
    unconfirmed: bool = False
    """Whether the last reply is missing or belongs to another command: send it while none is in flight."""
    spelling_unknown: bool = False
    """Whether ExaBGP may have an announcement in either spelling, and ignore it: send it in both."""
    failures: int = 0

    def change_spelling(self) -> None:
        """Use the spelling that was not written last: ExaBGP ignores an announcement that it already has."""
        self.respelled = not self.written_respelled


@dataclass(slots=True)
class SentCommand:
    """A command in flight, and the replies to its lines."""

    vip: str
    lines: Lines
    withdrawn: bool
    sent_at: float
    queries: int
    """Number of queries sent before it."""
    _replies: int = 0
    _rejected: tuple[str, str] | None = None
    """Its first rejected line, and the error."""
    _accepted: int = 0
    """Number of accepted lines."""

    def add_reply(self, error: str) -> bool:
        """Record the reply to its next line; return whether that was the last one."""
        if error and not self._rejected:
            self._rejected = self.lines[self._replies], error
        self._replies += 1
        self._accepted += not error
        return self._replies == len(self.lines)

    @property
    def partial(self) -> bool:
        """Whether all lines were answered, and only some rejected."""
        return self._replies == len(self.lines) and 0 < self._accepted < self._replies

    def failure(self, missing: str) -> tuple[str, str]:
        """Return the lines that failed, and the error; without an error all lines.

        Args:
            missing: the error if no line was rejected: some reply is missing, but it is unknown which.
        """
        return self._rejected or ("; ".join(self.lines), missing)


@dataclass(slots=True)
class Prefixes:
    """The desired commands, and which of them to send: now, at a later time, or not again."""

    by_vip: dict[str, Prefix] = field(default_factory=dict)
    ready: dict[str, None] = field(default_factory=dict)
    """Prefixes whose command is to be sent, in this order."""
    scheduled: dict[str, float] = field(default_factory=dict)
    """When the command of a prefix will be sent again."""
    since_table: set[str] = field(default_factory=set)
    """Prefixes with a command since the last query of the table."""
    _earlier: set[str] = field(default_factory=set)
    """Prefixes that an earlier run has announced, and of which ExaBGP has acknowledged no command since."""
    _table_read: bool = False

    def set_desired(self, vip: str, lines: Lines, *, withdrawn: bool) -> None:
        """Replace the desired command of `vip`, and mark it as ready unless one is in flight."""
        prefix = self.by_vip.setdefault(vip, Prefix())
        if prefix.lines == lines:
            return
        prefix.lines, prefix.withdrawn, prefix.repeat = lines, withdrawn, withdrawn
        prefix.respelled, prefix.failures = False, 0
        prefix.spelling_unknown = not withdrawn and vip in self._earlier
        self.scheduled.pop(vip, None)
        if not prefix.in_flight:
            self.ready[vip] = None

    def table_read(self, announced: Collection[str]) -> None:
        """Process the announced prefixes of a table; those of the first one are an earlier run's.

        It may have died before it sent one again that no neighbour has, and have used either spelling.
        """
        if self._table_read:
            return
        self._table_read, self._earlier = True, set(announced)
        for vip, prefix in self.by_vip.items():
            if vip not in self._earlier:
                continue
            if prefix.in_flight or vip in self.ready or vip in self.scheduled:
                prefix.spelling_unknown |= not prefix.withdrawn
            elif not prefix.withdrawn:
                self.resend(vip)

    def confirmed(self, vip: str) -> bool:
        """Return whether ExaBGP has acknowledged the desired command of `vip`, and nothing is unsent."""
        prefix = self.by_vip.get(vip)
        if prefix is None or vip in self.ready or prefix.in_flight:
            return False
        return not (prefix.failures or prefix.unconfirmed)

    def forget(self, vip: str) -> bool:
        """Drop the desired command of `vip`; return False if it is in flight, which prevents that."""
        if self.by_vip[vip].in_flight:
            return False
        del self.by_vip[vip]
        self.ready.pop(vip, None)
        self.scheduled.pop(vip, None)
        return True

    def resend(self, vip: str) -> None:
        """Mark the command of `vip` as ready again; it must not be in flight."""
        prefix = self.by_vip[vip]
        if not prefix.withdrawn:
            prefix.change_spelling()
        self.ready[vip] = None

    def resend_idle(self) -> None:
        """Resend all prefixes that are not scheduled, withdrawals first; one in flight after its reply."""
        for vip, prefix in sorted(self.by_vip.items(), key=lambda item: not item[1].withdrawn):
            if prefix.in_flight:
                prefix.spelling_unknown |= not prefix.withdrawn
            elif vip not in self.scheduled:
                self.resend(vip)

    def release_scheduled(self, now: float) -> None:
        """Mark the scheduled commands as ready whose time has come."""
        for vip in [vip for vip, at in self.scheduled.items() if now >= at]:
            del self.scheduled[vip]
            self.ready[vip] = None

    @property
    def busy(self) -> bool:
        """Whether a command is unsent, or a rejected withdrawal will be retried."""
        scheduled = (self.by_vip[vip] for vip in self.scheduled)
        return bool(self.ready) or any(prefix.withdrawn and prefix.failures for prefix in scheduled)

    def unwritten(self) -> Iterator[str]:
        """Yield the prefixes whose desired command was never written."""
        return (vip for vip in self.ready if self.by_vip[vip].lines != self.by_vip[vip].written)

    def sendable(self, room: int, *, alone: bool) -> list[str]:
        """Return the prefixes to send now: confirmed ones together, unconfirmed ones one at a time.

        Args:
            room: the number of lines that may be sent.
            alone: whether no command is in flight.
        """
        together: list[str] = []
        any_confirmed = False
        for vip in self.ready:
            prefix = self.by_vip[vip]
            if prefix.unconfirmed:
                continue
            any_confirmed = True
            room -= len(prefix.lines)
            if room < 0:
                break
            together.append(vip)
        if any_confirmed:
            return together
        return list(self.ready)[:1] if alone else []

    def write(self, vip: str) -> list[str]:
        """Return the lines of a prefix, and record them as written."""
        prefix = self.by_vip[vip]
        prefix.written, prefix.written_respelled = prefix.lines, prefix.respelled
        self.since_table.add(vip)
        return [respelled(line) if prefix.respelled else line for line in prefix.lines]

    def write_unmatched(self) -> list[str]:
        """Return the lines of all unwritten prefixes, which stay ready: the replies will not be matched.

        ExaBGP may execute several commands of a prefix in one flush, and send them in another order.
        """
        vips = list(self.unwritten())
        for vip in vips:
            prefix = self.by_vip[vip]
            prefix.spelling_unknown = not prefix.withdrawn
        return [line for vip in vips for line in self.write(vip)]

    def send(self, vip: str, now: float, queries: int) -> SentCommand:
        """Record the command of a prefix as in flight; `queries` were sent before it."""
        del self.ready[vip]
        prefix = self.by_vip[vip]
        prefix.in_flight = True
        return SentCommand(vip, prefix.lines, prefix.withdrawn, now, queries)

    def finish(self, sent: SentCommand, missing: str, now: float) -> CommandResult:
        """Record the end of a command in flight: schedule its repetition, or mark the latest one as ready.

        Args:
            sent: the command.
            missing: the error if a reply is missing; else empty.
            now: the monotonic clock, in seconds.
        """
        prefix = self.by_vip[sent.vip]
        prefix.in_flight = prefix.unconfirmed = False
        is_current = prefix.lines == sent.lines
        command, error = sent.failure(missing)
        if not is_current:
            self.ready[sent.vip] = None
        elif error:
            delay = min(MIN_REJECTED_DELAY * 2.0**prefix.failures, MAX_REJECTED_DELAY)
            self.scheduled[sent.vip] = now + delay
            prefix.failures = min(prefix.failures + 1, 16)
            prefix.spelling_unknown |= bool(missing) and not prefix.withdrawn
        else:
            prefix.failures = 0
            self._earlier.discard(sent.vip)
            if prefix.spelling_unknown:  # ExaBGP may have had this spelling already, and ignored it
                prefix.spelling_unknown = False
                prefix.change_spelling()
                self.scheduled[sent.vip] = now + WITHDRAW_REPEAT_DELAY
            if prefix.repeat:
                prefix.repeat = False
                self.scheduled[sent.vip] = now + WITHDRAW_REPEAT_DELAY
        return CommandResult(sent.vip, command, error, is_current, not sent.withdrawn, sent.partial)
