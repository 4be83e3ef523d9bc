"""The load of one day, evenly distributed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.servers.process import wait_for
from tests.soak.figures import Figures, idle_resources
from tests.soak.site import SERVICES, SESSION_TIMEOUT, Site, orphan, own, services
from tests.soak.target import FAILURE, SUCCESS

STEPS = 20
"""Number of steps per hour."""
RECONNECTIONS_PER_LOSS = 25
"""Number of reconnections per outage that is longer than the session timeout."""
STORE_UNSURE, STORE_LOST = "store unsure", "store lost"
RELOAD_FAILED = "reload failed, keeping the current configuration"
BGP_UNKNOWN = "BGP unknown"
"""Expected, because no ExaBGP replies to the agent."""
RELOAD_KINDS = 4
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
        self._actions: dict[str, Callable[[], None]] = {
            "takeovers": self._takeover,
            "reconnections": self._reconnect,
            "reloads": self._reload,
        }
        self._done = dict.fromkeys(self._actions, 0)

    def hours(self) -> Iterator[Figures]:
        """Run the day; yield the figures at its start and after each hour."""
        yield self._figures(0)
        for hour in range(1, self._hours + 1):
            for step in range(1, STEPS + 1):
                self._run_until(((hour - 1) * STEPS + step) / (self._hours * STEPS))
                self._site.read_status()
            self._fail_http_checks()
            yield self._figures(hour)

    def expected_warnings(self) -> Counter[str]:
        """Return the expected warnings and their numbers."""
        reconnections, reloads = self._done["reconnections"], self._done["reloads"]
        return Counter(
            {
                STORE_UNSURE: reconnections,
                STORE_LOST: -(-reconnections // RECONNECTIONS_PER_LOSS),
                RELOAD_FAILED: reloads // RELOAD_KINDS,
                BGP_UNKNOWN: 1,
            }
        )

    def _run_until(self, part: float) -> None:
        """Cause all events of this part of the day."""
        for name, action in self._actions.items():
            while self._done[name] < round(getattr(self._load, name) * part):
                action()
                self._done[name] += 1
        results = round(self._load.results * part)
        wait_for(f"{results} checks", lambda: self._site.target.connections >= results, WAIT_TIMEOUT)

    def _takeover(self) -> None:
        service = self._done["takeovers"] % SERVICES
        since = time.monotonic()
        self._site.leave(service)
        self._site.agent.wait_for(f"announce route {orphan(service)}/", since)
        since = time.monotonic()
        self._site.join(service)
        self._site.agent.wait_for(f"withdraw route {orphan(service)}/", since)

    def _reconnect(self) -> None:
        log, proxy = self._site.log, self._site.proxy
        before, lost = log.count("store connected"), log.count(STORE_LOST)
        if self._done["reconnections"] % RECONNECTIONS_PER_LOSS:
            proxy.cut()
        else:
            proxy.refuse()
            log.wait_for_more(STORE_LOST, lost, 10 * SESSION_TIMEOUT)
            proxy.resume()
        log.wait_for_more("store connected", before)

    def _reload(self) -> None:
        """Load, in turn, the first configuration, other attributes, more services, and an invalid one."""
        configuration = services(self._site.target)
        turn = self._done["reloads"] % RELOAD_KINDS
        message = "reloaded"
        if turn == 1:
            configuration = {name: {**service, "med": 110} for name, service in configuration.items()}
        elif turn == 2:
            configuration["more"] = {"auth_ip": "10.21.0.1", "command": "true", "interval": 0.5, "rise": 1}
            configuration["more"]["address_check"] = False
            configuration["s1"] = {**configuration["s1"], "vip": [own(1), orphan(1), "10.21.0.2"]}
        elif turn == 3:
            configuration["s0"] = {**configuration["s0"], "auth_ip": "nonsense"}
            message = RELOAD_FAILED
        before = self._site.log.count(message)
        self._site.configure(configuration)
        self._site.agent.reload()
        self._site.log.wait_for_more(message, before)

    def _fail_http_checks(self) -> None:
        """Make HTTP checks fail, and then succeed again."""
        for answer, line in ((FAILURE, "withdraw"), (SUCCESS, "announce")):
            since = time.monotonic()
            self._site.target.answer = answer
            for service in range(0, SERVICES, 2):
                self._site.agent.wait_for(f"{line} route {own(service)}/", since)

    def _figures(self, hour: int) -> Figures:
        agent = self._site.agent
        threads, descriptors = idle_resources(agent)
        return Figures(
            hour=hour,
            results=self._site.target.connections,
            **self._done,
            resident=agent.resident(),
            threads=threads,
            descriptors=descriptors,
            cpu=agent.cpu(),
        )
