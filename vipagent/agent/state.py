"""The state directory: the file with this agent's runs (G3) and the routes that it may have announced (E2).

Several agents of one node, one per service, share the directory: none may take the other's routes for its
own. So each has a separate file, by node and configuration. The file need not survive a crash of the
machine, which also ends ExaBGP and its routes.

A disk can hang: all file operations run on a separate thread, and nothing waits for it after the start.
"""

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vipagent.agent.route_record import RouteRecord, decode, encode
from vipagent.config.settings import AgentConfig
from vipagent.exabgp.table import RouteIdentity
from vipagent.telemetry.problems import Fault

log = logging.getLogger(__name__)

DEFAULT_DIRECTORY = "/var/lib/vipagent"
MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of the file."""
START_TIMEOUT = 2.0
"""Timeout in seconds to read and write the file at the start, after which the agent does without."""
CONSEQUENCE = (
    "routes that leave the configuration while the agent does not run are not withdrawn (E2); make the state "
    "directory writable for ExaBGP's user, or set state_directory"
)

Identities = frozenset[RouteIdentity]


def location(config: AgentConfig, source: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the path of an agent's file.

    Args:
        config: its configuration.
        source: its configuration file; without one, its only service identifies it.
        environment: may contain `STATE_DIRECTORY`, as set by systemd: one or more paths separated by `:`.
    """
    given = environment.get("STATE_DIRECTORY", "").split(":")[0]
    directory = Path(config.state_directory or given or DEFAULT_DIRECTORY)
    digest = hashlib.sha256(_origin(config, source).encode(errors="surrogateescape")).hexdigest()
    return directory / f"routes-{config.store.node}-{digest[:8]}.json"


class RouteFile:
    """The file; an error is logged once until it can be written again.

    Args:
        path: its path.
        origin: identifies the agent, for humans.
        run: identifies this run of the agent.
    """

    def __init__(self, path: Path, origin: str, run: str) -> None:
        self.path = path
        self.earlier_runs: tuple[str, ...] = ()
        """The identifiers of earlier runs, once it is started."""
        self._origin = origin
        self._runs: tuple[str, ...] = (run,)
        self._lock = threading.Lock()
        self._saved: Identities | None = None
        """The last identities to save."""
        self._unsaved: tuple[Path, Identities] | None = None
        self._idle = threading.Event()
        """Set while no thread writes."""
        self._idle.set()
        self._read_error = ""
        self._write_error = ""
        self.on_change: Callable[[], None] = lambda: None
        """Called on any thread when `faults` has changed."""

    @classmethod
    def of(cls, config: AgentConfig, source: Path | None) -> "RouteFile":
        """Return the file of an agent with this configuration."""
        return cls(location(config, source, os.environ), _origin(config, source), config.store.instance)

    def start(self, current: Iterable[RouteIdentity]) -> Identities | None:
        """Read what earlier runs have recorded, and add this run and the routes of the configuration.

        Args:
            current: the identities of the configuration.

        Returns:
            The identities of their routes; None without a record. It takes `START_TIMEOUT` seconds at most.
        """
        read: list[RouteRecord | None] = []
        reading = threading.Thread(
            target=lambda: read.append(self._read()), name="vipagent-state", daemon=True
        )
        reading.start()
        reading.join(START_TIMEOUT)
        if not read:
            self._cannot_read(f"{self.path}: no answer within {START_TIMEOUT:g} s")
        earlier = read[0] if read else None
        known = RouteRecord() if earlier is None else earlier
        self.earlier_runs = known.runs
        self._runs = known.runs + self._runs
        self.save(known.identities.union(current))
        if read:
            self._idle.wait(START_TIMEOUT)
        return None if earlier is None else earlier.identities

    def save(self, identities: Identities) -> None:
        """Save these identities in place of all others, without waiting for it."""
        with self._lock:
            if identities == self._saved:
                return
            self._saved = identities
            self._unsaved = self.path, identities
            if not self._idle.is_set():
                return
            self._idle.clear()
        threading.Thread(target=self._write_all, name="vipagent-state", daemon=True).start()

    def idle(self) -> bool:
        """Return whether everything has been written."""
        return self._idle.is_set()

    def move(self, path: Path) -> None:
        """Use another path from now on."""
        if path != self.path:
            self.path = path
            self._write_again()

    def retry(self) -> None:
        """Write again what could not be written."""
        if self._write_error:
            self._write_again()

    def faults(self) -> Mapping[Fault, str | None]:
        """Return the detail of each fault of the record; None: there is no such fault."""
        unreadable = None if self._write_error else self._read_error or None
        return {Fault.NO_STATE_DIRECTORY: self._write_error or None, Fault.UNREADABLE_RECORD: unreadable}

    def _write_again(self) -> None:
        with self._lock:
            identities, self._saved = self._saved, None
        if identities is not None:
            self.save(identities)

    def _write_all(self) -> None:
        while True:
            with self._lock:
                if self._unsaved is None:
                    self._idle.set()
                    return
                (path, identities), self._unsaved = self._unsaved, None
            self._write(path, encode(self._origin, RouteRecord(identities, self._runs)))

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.new")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            self._set_write_error(f"{path.parent}: cannot write {path.name}: {error.strerror}")
        else:
            self._set_write_error("")

    def _read(self) -> RouteRecord | None:
        try:
            return decode(_content(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._cannot_read(f"{self.path}: {error.strerror}")
        except ValueError as error:
            self._cannot_read(f"{self.path}: {error}")
        return None

    def _cannot_read(self, error: str) -> None:
        self._read_error = error
        log.warning("ignoring %s; only routes of configured VIPs are withdrawn (E2)", error)

    def _set_write_error(self, error: str) -> None:
        before, self._write_error = self._write_error, error
        if error == before:
            return
        if error:
            log.warning("state directory %s: %s", error, CONSEQUENCE)
        else:
            log.info("state directory %s: the record of routes is written again", self.path.parent)
        self.on_change()


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    return data


def _origin(config: AgentConfig, source: Path | None) -> str:
    if source:
        return str(source.absolute())
    return f"service {' '.join(service.name for service in config.services)}"
