"""The load of a day, evenly distributed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.servers.process import wait_for
from tests.soak.figures import Figures, held
from tests.soak.site import SERVICES, SESSION, Site, orphan, own, services
from tests.soak.target import BAD, GOOD

STEPS = 20
"""Number of steps per hour."""
LOST_EVERY = 25
"""Number of reconnections per outage that is longer than the session timeout."""
UNSURE, LOST = "store unsure", "store lost"
REFUSED = "reload failed, keeping the current configuration"
BGP_UNKNOWN = "BGP unknown"
"""Expected, because no ExaBGP replies to the agent."""
RELOADS = 4
"""Number of different configurations; the last one is invalid."""
WAIT_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Numbers of events."""

    results: int = 200_000
    takeovers: int = 2_000
    reconnections: int = 500
    reloads: int = 200


class Day:
    """One day of one agent.

    Args:
        site: the site.
        load: numbers of events.
        hours: number of parts, with a measurement after each.
    """

    def __init__(self, site: Site, load: Load, hours: int = 24) -> None:
        self._site = site
        self._load = load
        self._hours = hours
        self._acts: dict[str, Callable[[], None]] = {
            "takeovers": self._take_over,
            "reconnections": self._reconnect,
            "reloads": self._reload,
        }
        self._done = dict.fromkeys(self._acts, 0)

    def hours(self) -> Iterator[Figures]:
        """Run the day; yield the figures at its start and after each hour."""
        yield self._figures(0)
        for hour in range(1, self._hours + 1):
            for step in range(1, STEPS + 1):
                self._until(((hour - 1) * STEPS + step) / (self._hours * STEPS))
                self._site.look()
            self._fail_for_a_while()
            yield self._figures(hour)

    def caused(self) -> Counter[str]:
        """Return the expected warnings and their numbers."""
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
        """Cause all events of this part of the day."""
        for name, act in self._acts.items():
            while self._done[name] < round(getattr(self._load, name) * part):
                act()
                self._done[name] += 1
        wanted = round(self._load.results * part)
        wait_for(f"{wanted} checks", lambda: self._site.target.connections >= wanted, WAIT_TIMEOUT)

    def _take_over(self) -> None:
        service = self._done["takeovers"] % SERVICES
        since = time.monotonic()
        self._site.leave(service)
        self._site.agent.wait_for(f"announce route {orphan(service)}/", since)
        since = time.monotonic()
        self._site.join(service)
        self._site.agent.wait_for(f"withdraw route {orphan(service)}/", since)

    def _reconnect(self) -> None:
        diary, proxy = self._site.diary, self._site.proxy
        before, lost = diary.count("store connected"), diary.count(LOST)
        if self._done["reconnections"] % LOST_EVERY:
            proxy.cut()
        else:
            proxy.refuse()
            diary.await_more(LOST, lost, 10 * SESSION)
            proxy.resume()
        diary.await_more("store connected", before)

    def _reload(self) -> None:
        """Load, in turn, the first configuration, other attributes, more services, and an invalid one."""
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
        before = self._site.diary.count(answer)
        self._site.configure(wanted)
        self._site.agent.reload()
        self._site.diary.await_more(answer, before)

    def _fail_for_a_while(self) -> None:
        """Make HTTP checks fail, and then succeed again."""
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
