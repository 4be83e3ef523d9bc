"""The directories that are watched, as listings and the watch tell them: no I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from vipagent.core.words import Claim
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE, Entry, Snapshot
from vipagent.store.layout import Directory
from vipagent_etcd.keyvalues import Change, KeyValue, Span

LARGEST_NAME = 1024
"""Characters of a name that is handed over: longer ones are nobody's VIP and nobody's node."""

NAME_ONLY = Entry()

Judge = Callable[[KeyValue], Claim]
HandOver = Callable[[Directory, Snapshot], None]


@dataclass(slots=True)
class Watched:
    """One directory, as far as it is known."""

    directory: Directory
    span: Span
    values: frozenset[str] | None
    """The names whose values are needed; None: all."""
    known: int = 0
    """The store's revision up to which `entries` are right; 0: they have to be listed."""
    partial: bool = False
    """There are more entries than are kept: what follows the last one can only be listed."""
    entries: dict[str, KeyValue] = field(default_factory=dict)

    def list(self, found: Iterable[KeyValue], revision: int) -> None:
        """Take all that there is at a revision."""
        self.known, self.partial, self.entries = revision, False, {}
        for key_value in found:
            self._keep(key_value)
        self._trim()

    def change(self, changes: Iterable[Change]) -> bool:
        """Take what the watch tells at once; return whether it is news that no listing has told.

        Changes of one revision (a lease that ends takes many keys with it) always come at once.
        """
        news = [change for change in changes if 0 < self.known < change.found.revision]
        for change in news:
            if change.deleted:
                self.entries.pop(self._name(change.found), None)
            else:
                self._keep(change.found)
        self._trim()
        if self.partial and any(change.deleted for change in news):
            self.known = 0
        else:
            self.known = max([self.known, *(change.found.revision for change in news)])
        return bool(news)

    def snapshot(self, judge: Judge) -> Snapshot:
        """Return the entries; of those that nobody needs, the names."""
        return {
            name: Entry(found.value, judge(found)) if self._needs(name) else NAME_ONLY
            for name, found in self.entries.items()
        }

    def _needs(self, name: str) -> bool:
        return self.values is None or name in self.values

    def _name(self, found: KeyValue) -> str:
        return found.key[len(self.span.first) :]

    def _keep(self, found: KeyValue) -> None:
        """Take an entry: of its value no more than is needed, and nothing that can be no entry."""
        name = self._name(found)
        if name and "/" not in name and len(name) <= LARGEST_NAME:
            value = found.value[:MAX_VALUE] if self._needs(name) else b""
            self.entries[name] = replace(found, value=value)

    def _trim(self) -> None:
        """Keep the first entries only, in the order of their names."""
        if len(self.entries) > MAX_ENTRIES:
            self.entries = {name: self.entries[name] for name in sorted(self.entries)[:MAX_ENTRIES]}
            self.partial = True


class Watches:
    """All directories that are watched."""

    def __init__(self, judge: Judge, hand_over: HandOver) -> None:
        """Prepare.

        Args:
            judge: says whose an entry is.
            hand_over: takes a directory's snapshot.
        """
        self._judge = judge
        self._hand_over = hand_over
        self._watched: dict[str, Watched] = {}
        self._told: dict[str, Snapshot] = {}

    def watch(self, path: str, directory: Directory, values: frozenset[str] | None) -> None:
        """Watch a directory; it has to be listed first: of other values than before nothing is known."""
        self._watched[path] = Watched(directory, Span.below(path), values)

    def unwatch(self, path: str) -> None:
        """Forget it."""
        self._watched.pop(path, None)
        self._told.pop(path, None)

    def covers(self, key: str) -> bool:
        """Whether a key lies in a directory that is watched."""
        return key.rpartition("/")[0] in self._watched

    @property
    def spans(self) -> dict[Span, int]:
        """What is to be watched, and the revision up to which it is known; 0: it has to be listed first."""
        return {watched.span: watched.known for watched in self._watched.values()}

    def start_anew(self) -> None:
        """Have everything listed, and all of it handed over."""
        self.list_anew()
        self._told.clear()

    def list_anew(self) -> None:
        """Have everything listed; what is as it was is not handed over again."""
        for watched in self._watched.values():
            watched.known = 0

    def listed(self, span: Span, found: Iterable[KeyValue], revision: int) -> None:
        """Take all that there is in a span."""
        for path, watched in self._watched.items():
            if watched.span == span:
                watched.list(found, revision)
                self._tell(path)

    def changed(self, changes: Iterable[Change]) -> None:
        """Take what the watch tells at once."""
        by_path: dict[str, list[Change]] = {}
        for change in changes:
            by_path.setdefault(change.found.key.rpartition("/")[0], []).append(change)
        for path, there in by_path.items():
            if path in self._watched and self._watched[path].change(there):
                self._tell(path)

    def _tell(self, path: str) -> None:
        watched = self._watched[path]
        snapshot = watched.snapshot(self._judge)
        if self._told.get(path) != snapshot:
            self._told[path] = snapshot
            self._hand_over(watched.directory, snapshot)
