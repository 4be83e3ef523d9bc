"""A directory that is followed, as listings and the watch tell it: no I/O."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent.store.driver import Found
from vipagent.store.layout import Directory
from vipagent_etcd.keyvalues import Change, KeyValue, Span

LARGEST_NAME = 1024
"""Characters of a name that is passed on: longer ones are nobody's VIP and nobody's node."""


class Following:
    """One directory, as far as it is known.

    Args:
        directory: which one.
        path: where it is.
        names: the entries whose values are needed; None: all.
        found: returns a key-value as the store layer knows it.
        alone: leave out all other entries.
    """

    def __init__(
        self,
        directory: Directory,
        path: str,
        names: frozenset[str] | None,
        found: Callable[[KeyValue], Found],
        *,
        alone: bool = False,
    ) -> None:
        self.directory = directory
        self.names = names
        self.alone = alone
        self.span = (
            Span(f"{path}/{next(iter(names))}") if alone and names and len(names) == 1 else Span.below(path)
        )
        """What has to be listed and watched. It is one: of a moment, each watch tells by itself."""
        self.revision = 0
        """The store's revision up to which `entries` are right; 0: they have to be listed."""
        self.entries: dict[str, Found | None] = {}
        self.is_told = False
        """Whether the store layer has the last listing."""
        self._above = f"{path}/"
        self._found = found
        self._partial = False
        """There are more entries than are kept: what follows the last one can only be listed."""

    def list(self, found: Iterable[KeyValue], revision: int) -> None:
        """Take all that there is at a revision."""
        self.revision, self.is_told, self._partial, self.entries = revision, False, False, {}
        for key_value in found:
            self._keep(key_value)
        self._trim()

    def change(self, changes: Iterable[Change]) -> bool:
        """Take what the watch tells at once; return whether it is news that no listing has told.

        Changes of one revision (a lease that ends takes many keys with it) always come at once.
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
        """Take an entry: of its value no more than is needed, and nothing that can be no entry."""
        name = self._name(found)
        if name and "/" not in name and len(name) <= LARGEST_NAME:
            needed = self.names is None or name in self.names
            self.entries[name] = (
                self._found(replace(found, value=found.value[:MAX_VALUE])) if needed else None
            )

    def _trim(self) -> None:
        """Keep the first entries only, in the order of their names."""
        if len(self.entries) > MAX_ENTRIES:
            self.entries = {name: self.entries[name] for name in sorted(self.entries)[:MAX_ENTRIES]}
            self._partial = True
