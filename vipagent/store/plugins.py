"""Discovery of installed backends by entry point.

Only the requested backend is imported, so unused client libraries need no memory.
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
_NO_VERSION = "1 or missing"
"""Version 1 had no `api_version`."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed backend."""

    name: str
    distribution: str
    """Name and version of the distribution; empty if unknown."""
    error: str
    """Why it cannot be loaded, and what to do; empty if it can."""


class NullListener:
    """A listener that ignores all calls, for operators' commands."""

    def session(self, state: StoreState, detail: str) -> None:
        """Ignore the call."""

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Ignore the call."""


def names() -> list[str]:
    """Return the names of all backends without importing them."""
    return sorted(set(NamedExtensionManager(NAMESPACE, names=[]).entry_points_names()))


def available() -> list[Plugin]:
    """Import and return all backends. For operators' commands: the agent imports one backend only."""
    return [Plugin(name, _distribution(name), _load_error(name)) for name in names()]


def load(name: str) -> BackendFactory:
    """Import a backend by name.

    Raises:
        StoreConfigError: unknown backend, or a missing client library, which the message names.
    """
    try:
        manager: NamedExtensionManager[object] = NamedExtensionManager(
            NAMESPACE,
            names=[name],
            on_load_failure_callback=_raise,
            on_missing_entrypoints_callback=lambda _names: None,  # reported below
        )
    except ImportError as error:
        raise StoreConfigError(_missing(name, error)) from error
    except Exception as error:  # plug-ins are third-party code
        raise StoreConfigError(f"cannot be loaded: {type(error).__name__}: {error}") from error
    found = manager.extensions
    if not found:
        raise StoreConfigError(f"is not a known backend; installed: {', '.join(names()) or 'none'}")
    if len(found) > 1:
        raise StoreConfigError(f"is provided by several distributions: {_distribution(name)}; keep one")
    return backend_factory(found[0].plugin)


def backend_factory(plugin: object) -> BackendFactory:
    """Return a factory of sessions for the object that an entry point names.

    Raises:
        StoreConfigError: not a driver, or written for another version of the interface.
    """
    if not isinstance(plugin, type) or not issubclass(plugin, Driver | Backend):
        raise StoreConfigError("cannot be used: not a subclass of vipagent.store.driver.Driver")
    written_for = getattr(plugin, "api_version", _NO_VERSION)
    if not issubclass(plugin, Driver) or written_for != API_VERSION:
        raise StoreConfigError(
            f"cannot be used: its API version is {written_for}, but {API_VERSION} is needed: see {_PAGE}"
        )
    return partial(StoreClient, plugin)


def _raise(_manager: object, _entry_point: EntryPoint, error: BaseException) -> None:
    raise error


def _load_error(name: str) -> str:
    try:
        load(name)
    except StoreConfigError as error:
        return str(error)
    return ""


def _missing(name: str, error: ImportError) -> str:
    """Return a message that names the missing library, and the extra that installs it, if there is one."""
    library = (error.name or str(error)).partition(".")[0]
    for point in _entry_points(name):
        if point.dist is not None and name in (point.dist.metadata.get_all("Provides-Extra") or ()):
            return f"needs the library {library}: install {point.dist.name} with its extra [{name}]"
    return f"cannot be imported: {error}; install {library}"


def _distribution(name: str) -> str:
    distributions = {
        f"{point.dist.name} {point.dist.version}" for point in _entry_points(name) if point.dist is not None
    }
    return ", ".join(sorted(distributions))


def _entry_points(name: str) -> Iterable[EntryPoint]:
    """Return the entry points with their distributions, which are missing in stevedore's cache."""
    return entry_points(group=NAMESPACE, name=name)
