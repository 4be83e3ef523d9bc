"""The backends that are installed: found by their entry points, loaded one at a time.

Only the one that is asked for is imported: the client library of a store that nobody uses costs no memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from stevedore.named import NamedExtensionManager

from vipagent.store.backend import Backend, BackendFactory, Snapshot, StoreConfigError
from vipagent.store.client import StoreClient
from vipagent.store.driver import API_VERSION, Driver
from vipagent.store.layout import Directory
from vipagent.types import StoreState

NAMESPACE = "vipagent.backends"
_PAGE = "docs/write-a-backend.md"
_UNSTATED = "1 or not stated"
"""Nobody stated it when a backend extended `Backend`: that was version 1."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A backend that is installed."""

    name: str
    distribution: str
    """Name and version of what brings it; empty: unknown."""
    error: str
    """Why it cannot be loaded, and what to do; empty: it can."""


class NullListener:
    """A listener for a backend that is asked, never watched."""

    def session(self, state: StoreState, detail: str) -> None:
        """Do nothing."""

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Do nothing."""


def names() -> list[str]:
    """Return the names of all backends; nothing is imported."""
    return sorted(set(NamedExtensionManager(NAMESPACE, names=[]).entry_points_names()))


def available() -> list[Plugin]:
    """Return all backends. It imports each of them, so it is for an operator's command, not for the agent."""
    return [Plugin(name, _distribution(name), _trouble(name)) for name in names()]


def load(name: str) -> BackendFactory:
    """Import the backend of this name.

    Raises:
        StoreConfigError: there is none, or its client library is missing; the message says which would do.
    """
    try:
        manager: NamedExtensionManager[object] = NamedExtensionManager(
            NAMESPACE,
            names=[name],
            on_load_failure_callback=_raise,
            on_missing_entrypoints_callback=lambda _names: None,  # the message is ours
        )
    except ImportError as error:
        raise StoreConfigError(_missing(name, error)) from error
    except Exception as error:  # a plug-in is anybody's code
        raise StoreConfigError(f"cannot be loaded: {type(error).__name__}: {error}") from error
    found = manager.extensions
    if not found:
        raise StoreConfigError(f"is no backend: there are {', '.join(names()) or 'none'}")
    if len(found) > 1:
        raise StoreConfigError(f"comes from several distributions: {_distribution(name)}; keep one")
    return backend_factory(found[0].plugin)


def backend_factory(plugin: object) -> BackendFactory:
    """Return what makes sessions of a backend.

    Raises:
        StoreConfigError: the plug-in is none, or was written for another version of the interface.
    """
    if not isinstance(plugin, type) or not issubclass(plugin, Driver | Backend):
        raise StoreConfigError("cannot be used: it is no subclass of vipagent.store.driver.Driver")
    written_for = getattr(plugin, "api_version", _UNSTATED)
    if not issubclass(plugin, Driver) or written_for != API_VERSION:
        raise StoreConfigError(
            f"cannot be used: its API version is {written_for}, but {API_VERSION} is needed: see {_PAGE}"
        )
    return partial(StoreClient, plugin)


def _raise(_manager: object, _entry_point: EntryPoint, error: BaseException) -> None:
    raise error


def _trouble(name: str) -> str:
    try:
        load(name)
    except StoreConfigError as error:
        return str(error)
    return ""


def _missing(name: str, error: ImportError) -> str:
    """Say which library is missing, and the extra of the same name that brings it, where there is one."""
    library = (error.name or str(error)).partition(".")[0]
    for point in _entry_points(name):
        if point.dist is not None and name in (point.dist.metadata.get_all("Provides-Extra") or ()):
            return f"needs the library {library}: install {point.dist.name} with its extra [{name}]"
    return f"cannot be imported: {error}; install {library}"


def _distribution(name: str) -> str:
    found = {
        f"{point.dist.name} {point.dist.version}" for point in _entry_points(name) if point.dist is not None
    }
    return ", ".join(sorted(found))


def _entry_points(name: str) -> Iterable[EntryPoint]:
    """Return the entry points with their distributions, which stevedore's cache leaves out."""
    return entry_points(group=NAMESPACE, name=name)
