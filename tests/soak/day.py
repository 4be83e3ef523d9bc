"""The course of the day: everything that is to happen, spread evenly over it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.servers.process import wait_for
from tests.soak.figures import Figures, held
from tests.soak.site import SERVICES, SESSION, Site, orphan, own, services
from tests.soak.target import BAD, GOOD

STEPS = 20
"""The pieces of an hour."""
LOST_EVERY = 25
"""Each so many reconnections, the connection is away for longer than the session lives."""
UNSURE, LOST = "store unsure", "store lost"
REFUSED = "reload failed, keeping the current configuration"
BGP_UNKNOWN = "BGP unknown"
"""Nobody answers the agent here as an ExaBGP would."""
RELOADS = 4
"""The different configurations; the last one is bad."""
WAIT_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """How often what happens."""

    results: int = 200_000
    take_overs: int = 2_000
    reconnections: int = 500
    reloads: int = 200


class Day:
    """One day of one agent.

    Args:
        site: where it is spent.
        load: what it brings.
        hours: into how many parts it is divided, with a reading after each.
    """

    def __init__(self, site: Site, load: Load, hours: int = 24) -> None:
        self._site = site
        self._load = load
        self._hours = hours
        self._acts: dict[str, Callable[[], None]] = {
            "take_overs": self._take_over,
            "reconnections": self._reconnect,
            "reloads": self._reload,
        }
        self._done = dict.fromkeys(self._acts, 0)

    def hours(self) -> Iterator[Figures]:
        """Live through the day; yield the figures at its start and after each hour."""
        yield self._figures(0)
        for hour in range(1, self._hours + 1):
            for step in range(1, STEPS + 1):
                self._until(((hour - 1) * STEPS + step) / (self._hours * STEPS))
                self._site.look()
            self._fail_for_a_while()
            yield self._figures(hour)

    def caused(self) -> Counter[str]:
        """Return the complaints that what was done explains, and how many of each."""
        reconnections, reloads = self._done["reconnections"], self._done["reloads"]
        return Counter(
            {
                UNSURE: reconnections,
                LOST: -(-reconnections // LOST_EVERY),
                REFUSED: reloads // RELOADS,
                BGP_UNKNOWN: 1,
            }
        )

    def _until(self, part: float) -> None:
        """Have everything happen that belongs to this part of the day."""
        for name, act in self._acts.items():
            while self._done[name] < round(getattr(self._load, name) * part):
                act()
                self._done[name] += 1
        wanted = round(self._load.results * part)
        wait_for(f"{wanted} checks", lambda: self._site.target.connections >= wanted, WAIT_TIMEOUT)

    def _take_over(self) -> None:
        service = self._done["take_overs"] % SERVICES
        since = time.monotonic()
        self._site.leave(service)
        self._site.agent.wait_for(f"announce route {orphan(service)}/", since)
        since = time.monotonic()
        self._site.join(service)
        self._site.agent.wait_for(f"withdraw route {orphan(service)}/", since)

    def _reconnect(self) -> None:
        diary, proxy = self._site.diary, self._site.proxy
        before, lost = diary.said("store connected"), diary.said(LOST)
        if self._done["reconnections"] % LOST_EVERY:
            proxy.cut()
        else:
            proxy.refuse()
            diary.await_more(LOST, lost, 10 * SESSION)
            proxy.resume()
        diary.await_more("store connected", before)

    def _reload(self) -> None:
        """Read, in turn, the first configuration, other attributes, more services and VIPs, and nonsense."""
        wanted = services(self._site.target)
        turn = self._done["reloads"] % RELOADS
        answer = "reloaded"
        if turn == 1:
            wanted = {name: {**service, "med": 110} for name, service in wanted.items()}
        elif turn == 2:
            wanted["more"] = {"auth_ip": "10.21.0.1", "command": "true", "interval": 0.5, "rise": 1}
            wanted["s1"] = {**wanted["s1"], "vip": [own(1), orphan(1), "10.21.0.2"]}
        elif turn == 3:
            wanted["s0"] = {**wanted["s0"], "auth_ip": "nonsense"}
            answer = REFUSED
        before = self._site.diary.said(answer)
        self._site.configure(wanted)
        self._site.agent.reload()
        self._site.diary.await_more(answer, before)

    def _fail_for_a_while(self) -> None:
        """Have the checks by HTTP fail, and then succeed again."""
        for answer, line in ((BAD, "withdraw"), (GOOD, "announce")):
            since = time.monotonic()
            self._site.target.answer = answer
            for service in range(0, SERVICES, 2):
                self._site.agent.wait_for(f"{line} route {own(service)}/", since)

    def _figures(self, hour: int) -> Figures:
        agent = self._site.agent
        threads, descriptors = held(agent)
        return Figures(
            hour=hour,
            results=self._site.target.connections,
            **self._done,
            resident=agent.resident(),
            threads=threads,
            descriptors=descriptors,
            cpu=agent.cpu(),
        )
