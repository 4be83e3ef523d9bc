"""Test harness of the engine: handles inputs and returns the effects as lines of text, in order."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, assert_never

from tests.quick.core.pools import OWN, OWNERS, service
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core.actions import SetTimer
from vipagent.core.events import CheckFinished, TimerFired
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp.details import SHOW_DETAILS
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.table import SHOW_TABLE
from vipagent.store.backend import Entry, StoreSettings
from vipagent.store.layout import Directory, Kind, member_name
from vipagent.store.records import NodeState, Registration
from vipagent.types import CheckResult, Claim, StoreState

PEER, OTHER_PEER = "192.0.2.1", "192.0.2.2"
ALL = tuple(vip for (vip,) in OWNERS)
OTHERS = tuple(vip for vip in ALL if vip != OWN)
QUERIES = {SHOW_NEIGHBORS: "show", SHOW_DETAILS: "details", SHOW_TABLE: "table"}
SETTLED = 10.0
"""Seconds until no command, retry or delay is pending."""


def config(*services: ServiceConfig, listen: str | None = None) -> AgentConfig:
    return AgentConfig("modelled", StoreSettings("node1", "this run"), services, listen=listen)


def served(name: str = "apex", **changes: Any) -> ServiceConfig:
    """Return a service on the first of three nodes, with rise and fall 1."""
    return ServiceConfig(service(name=name, **changes))


def established(peer: str = PEER, *, up: bool = True) -> str:
    return f"neighbor {peer} {'up' if up else 'down'}"


def answer(*peers: str, asn: int = 65000) -> list[str]:
    """Return ExaBGP's answer to `show neighbor summary`, including its reply."""
    lines = [f"{peer} {asn} 0:00:03 established 3 2" for peer in peers]
    return ["Peer AS up/down state | #sent #recvd", *lines, "done"]


def details(peer: str, *families: str, asn: int = 65000, hold: int = 240, total: int = 4) -> list[str]:
    """Return a neighbour's lines in ExaBGP's answer to `show neighbor extensive`."""
    negotiated = [f"{family}: enabled enabled disabled" for family in families or ("ipv4 unicast",)]
    session = [f"Neighbor {peer}", "state ESTABLISHED", f"AS 65001 {asn}", f"hold-time {hold} {hold}"]
    return [*session, *negotiated, f"total: 4 {total}"]


class EngineHarness:
    """An engine in virtual time; ExaBGP answers only when asked to by `reply` or `advance_answering`."""

    def __init__(self, *services: ServiceConfig, listen: str | None = None) -> None:
        self.now = 100.0
        self.timer: float | None = None
        self.ended = False
        self.config = config(*(services or (served(),)), listen=listen)
        self.engine = Engine(self.config, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.written: list[str] = []
        """Commands that ExaBGP has not answered yet."""
        self.peers: tuple[str, ...] = (PEER,)
        """Established neighbours in ExaBGP's next answer."""
        self.details: dict[str, list[str]] = {}
        """ExaBGP's description of neighbours in its next answer, also of those that are down."""
        self.table: dict[str, str] = {}
        """Attributes of the routes in ExaBGP's table, by prefix."""
        self.record: NodeState | None = None
        """The last published record of the node."""
        self.effects: list[Effect] = []
        """Effects of the last input."""
        self.logged: list[effects.Log] = []
        """Log entries since the start."""

    def give(self, given: Input) -> list[str]:
        """Handle an input; return its effects, except for timers."""
        self.effects = list(self.engine.handle(given, self.now))
        self.logged += [effect for effect in self.effects if isinstance(effect, effects.Log)]
        return [line for effect in self.effects for line in self._lines(effect)]

    def start(self) -> list[str]:
        return self.give(inputs.Started())

    def read(self, *lines: str) -> list[str]:
        return self.give(inputs.LinesRead(list(lines)))

    def reply(self) -> list[str]:
        """Answer all pending commands in one read."""
        written, self.written = self.written, []
        replies = [self.reply_to(line) for line in written]
        return self.read(*chain.from_iterable(replies))

    def reply_to(self, line: str) -> list[str]:
        """Return ExaBGP's output for one line that it reads."""
        match line:
            case "show":
                return answer(*self.peers)
            case "details":
                peers = dict.fromkeys((*self.peers, *self.details))
                described = [self.details.get(peer) or details(peer) for peer in peers]
                return [*chain.from_iterable(described), "done"]
            case "table":
                return [*(f"neighbor {PEER} ipv4 unicast {route}" for route in self.table.values()), "done"]
            case _:
                verb, _, prefix, *attributes = line.split()
                self.table.pop(prefix, None)
                if verb == "announce":
                    self.table[prefix] = " ".join([prefix, *attributes])
                return ["done"]

    def check(
        self, result: CheckResult = CheckResult.GOOD, name: str = "apex", detail: str = "status 0"
    ) -> list[str]:
        return self.give(inputs.CheckRan(name, CheckFinished(result, detail)))

    def store(self, state: StoreState = StoreState.CONNECTED) -> list[str]:
        return self.give(inputs.StoreSession(state, "host"))

    def members(self, *vips: str, ours: Iterable[str] = (OWN,), name: str = "apex") -> list[str]:
        entries = {
            member_name(vip): Entry(
                Registration(f"of {vip}", "").dump(), Claim.OURS if vip in ours else Claim.OTHER
            )
            for vip in vips
        }
        return self.give(inputs.SnapshotRead(Directory(Kind.MEMBERS, name), entries))

    def maintenance(self, *names: str, name: str = "apex") -> list[str]:
        return self.give(
            inputs.SnapshotRead(Directory(Kind.MAINTENANCE, name), dict.fromkeys(names, Entry()))
        )

    def reconfigure(self, *services: ServiceConfig, listen: str | None = None) -> list[str]:
        self.config = replace(self.config, services=services, listen=listen)
        return self.give(inputs.ConfigReloaded(self.config))

    def wait(self, seconds: float) -> list[str]:
        """Advance the time without output from ExaBGP; return the effects of the timers."""
        return self._wait(seconds, replies=False)

    def advance_answering(self, seconds: float) -> list[str]:
        """Advance the time while ExaBGP answers immediately; return the effects."""
        return self._wait(seconds, replies=True)

    def serve(self) -> None:
        """Bring the node into a state where it serves its own VIP, as do all other nodes."""
        self.start()
        self.advance_answering(1)
        self.store()
        for name in self.engine.services:
            self.maintenance(name=name)
            self.members(*OTHERS, name=name)
            self.check(name=name)
            self.advance_answering(1)
            self.members(*ALL, name=name, ours=self.engine.services[name].config.core.owned)
        self.advance_answering(SETTLED)
        while "show" not in self.advance_answering(0.1):  # the next poll is as far away as possible
            pass

    def logs(self) -> list[str]:
        return [effect.message for effect in self.effects if isinstance(effect, effects.Log)]

    def _wait(self, seconds: float, *, replies: bool) -> list[str]:
        end, lines = self.now + seconds, self.reply() if replies else []
        while self.timer is not None and self.timer <= end:
            self.now, self.timer = max(self.now, self.timer), None
            lines += self.give(TimerFired())
            while replies and self.written:
                lines += self.reply()
            assert self.timer is None or self.timer > self.now, "a deadline in the past keeps the loop busy"
        self.now = end
        return lines

    def _lines(self, effect: Effect) -> list[str]:
        match effect:
            case effects.Write(lines):
                self.written += [QUERIES.get(line, line) for line in lines]
                return [QUERIES.get(line, line) for line in lines if line not in (SHOW_DETAILS, SHOW_TABLE)]
            case effects.RegisterEntry() | effects.DeregisterEntry():
                verb = "register" if isinstance(effect, effects.RegisterEntry) else "deregister"
                return [f"{verb} {effect.key.path('')}"]
            case effects.PublishRecord(record=record):
                self.record = record
                return ["publish"]
            case effects.Log(message=message):
                return [f"log {message}"]
            case SetTimer(at):
                self.timer = at
                return []
            case _:
                return [self._line(effect)]

    def _line(
        self,
        effect: effects.Watch
        | effects.Unwatch
        | effects.ToService
        | effects.ViewChanged
        | effects.FollowNeighbors
        | effects.SaveRoutes
        | effects.End,
    ) -> str:
        match effect:
            case effects.Watch(directory) | effects.Unwatch(directory):
                line = f"{type(effect).__name__.lower()} {directory.path('')}"
            case effects.End():
                self.ended, line = True, "end"
            case effects.StartService(config):
                line = f"start {config.name}"
            case effects.StopService(name):
                line = f"stop {name}"
            case effects.RunServiceHook(name, state):
                line = f"hook {name} {state}"
            case effects.ViewChanged():
                line = "view"
            case effects.FollowNeighbors(peers):
                line = f"follow {' '.join(sorted(peers))}"
            case effects.SaveRoutes(identities):
                line = f"save {' '.join(sorted(identity.prefix for identity in identities))}"
            case _:
                assert_never(effect)
        return line


def serving(*services: ServiceConfig) -> EngineHarness:
    """Return an engine whose node serves its own VIP, with every command acknowledged."""
    harness = EngineHarness(*services)
    harness.serve()
    return harness
