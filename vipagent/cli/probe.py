"""Whether a store can be used from here, and how fast it is: what `vipagent backends --check` finds out."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from vipagent.cli.session import ANSWER_WITHIN, Latest, connected
from vipagent.config.settings import AgentConfig
from vipagent.store.backend import Backend, StoreError
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import Registration

ROUNDS = 10
"""Writes that are timed; the median counts."""
SERVICE = "vipagent-check"
"""The service that is used: nobody's."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out. Times in seconds."""

    backend: str
    detail: str
    """What the session says of itself: host, version, negotiated life."""
    version: str
    """What answers there, where the session does not say; empty: it is not known, or there already."""
    connected_within: float
    write: float
    """From a write to its acknowledgement."""
    notice: float
    """From a write to the notification of a watch of the same directory."""
    register: float
    """From a registration to its being seen."""


def probe(target: AgentConfig) -> Findings:
    """Use a store as an agent and an operator do: in a service of its own, of which no entry stays.

    Raises:
        StoreError: it cannot be reached, or does not allow what an agent needs.
    """
    keys, members = Directory(Kind.MAINTENANCE, SERVICE), Directory(Kind.MEMBERS, SERVICE)
    run = uuid.uuid4().hex
    latest = Latest()
    instance = replace(target, store=replace(target.store, instance=run))
    start = time.monotonic()
    with connected(instance, latest) as backend:
        for directory in (keys, members):
            backend.watch(directory, None)
        _wait(latest, lambda: keys in latest.entries and members in latest.entries, "cannot be reached")
        connected_within = time.monotonic() - start
        writes = sorted(_write(backend, latest, Key(keys, f"{run}-{number}")) for number in range(ROUNDS))
        version = backend.version(ANSWER_WITHIN)
        registered = _register(backend, latest, Key(members, run))
    middle = writes[len(writes) // 2]
    return Findings(target.backend, latest.detail, version, connected_within, *middle, registered)


def _write(backend: Backend, latest: Latest, key: Key) -> tuple[float, float]:
    """Return how long a write took, and how long until it was noticed."""
    start = time.monotonic()
    backend.write(key, b"", ANSWER_WITHIN)
    written = time.monotonic() - start
    _wait(latest, lambda: key.name in latest.entries[key.directory], "does not tell of changes")
    noticed = time.monotonic() - start
    backend.erase(key, ANSWER_WITHIN)
    return written, noticed


def _register(backend: Backend, latest: Latest, key: Key) -> float:
    start = time.monotonic()
    backend.register(key, Registration(backend.settings.node, backend.settings.instance).dump())
    _wait(latest, lambda: key.name in latest.entries[key.directory], "does not allow a registration")
    return time.monotonic() - start


def _wait(latest: Latest, condition: Callable[[], bool], trouble: str) -> None:
    if not latest.wait_until(condition, ANSWER_WITHIN):
        raise StoreError(f"{trouble} within {ANSWER_WITHIN:g} s: {latest.store or latest.detail}")
