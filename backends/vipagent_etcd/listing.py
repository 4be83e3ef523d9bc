"""State of a followed directory, from listings and the watch, without I/O."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent.store.driver import Found
from vipagent.store.layout import Directory
from vipagent_etcd.keyvalues import Change, KeyValue, Span

MAX_NAME_LENGTH = 1024
"""Maximum length of a name: longer names are neither VIPs nor nodes."""


class DirectoryState:
    """The known state of one directory.

    Args:
        directory: the directory.
        path: its path.
        names: the entries whose values are needed; None: all.
        found: converts a key-value for the store layer.
        only_named: ignore all other entries.
    """

    def __init__(
        self,
        directory: Directory,
        path: str,
        names: frozenset[str] | None,
        found: Callable[[KeyValue], Found],
        *,
        only_named: bool = False,
    ) -> None:
        self.directory = directory
        self.names = names
        self.only_named = only_named
        self.span = (
            Span(f"{path}/{next(iter(names))}")
            if only_named and names and len(names) == 1
            else Span.below(path)
        )
        """The span to list and watch. One span, because the events of several watches are not ordered."""
        self.revision = 0
        """The store's revision of `entries`; 0: they must be listed."""
        self.entries: dict[str, Found | None] = {}
        self.is_delivered = False
        """Whether the last listing was delivered to the store layer."""
        self._above = f"{path}/"
        self._found = found
        self._partial = False
        """Whether entries were truncated: those beyond the last one must be listed."""

    def list(self, found: Iterable[KeyValue], revision: int) -> None:
        """Replace all entries with those of a revision."""
        self.revision, self.is_delivered, self._partial, self.entries = revision, False, False, {}
        for key_value in found:
            self._keep(key_value)
        self._trim()

    def change(self, changes: Iterable[Change]) -> bool:
        """Apply the changes of one message; return whether they are newer than the listing.

        All changes of one revision (an expired lease deletes many keys) are in one message.
        """
        news = [change for change in changes if 0 < self.revision < change.found.revision]
        for change in news:
            if change.deleted:
                self.entries.pop(self._name(change.found), None)
            else:
                self._keep(change.found)
        self._trim()
        if self._partial and any(change.deleted for change in news):
            self.revision = 0
        else:
            self.revision = max([self.revision, *(change.found.revision for change in news)])
        return bool(news)

    def _name(self, found: KeyValue) -> str:
        return found.key.removeprefix(self._above)

    def _keep(self, found: KeyValue) -> None:
        """Store an entry, with its value only if needed; ignore invalid names."""
        name = self._name(found)
        if name and "/" not in name and len(name) <= MAX_NAME_LENGTH:
            needed = self.names is None or name in self.names
            self.entries[name] = (
                self._found(replace(found, value=found.value[:MAX_VALUE])) if needed else None
            )

    def _trim(self) -> None:
        """Truncate the entries, in the order of their names."""
        if len(self.entries) > MAX_ENTRIES:
            self.entries = {name: self.entries[name] for name in sorted(self.entries)[:MAX_ENTRIES]}
            self._partial = True
