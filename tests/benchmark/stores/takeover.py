"""How long a node's VIP is without it: from its end to the survivor's line for ExaBGP."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.benchmark.program import Program
from tests.benchmark.stores.served import Served, agent, vip

DEATHS = 5
HANDOVERS = 200
ORPHAN = vip(1)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds, one figure a round."""

    deaths: list[float]
    """From kill -9 of an agent to the survivor's announcement."""
    handovers: list[float]
    """From the line with which an agent withdraws, and deregisters, to the survivor's announcement."""

    def row(self, store: Served) -> list[str]:
        """Return the row of a table."""
        low, middle, high = min(self.deaths), median(self.deaths), max(self.deaths)
        worst = quantiles(self.handovers, n=100)[98]
        return [
            store.backend,
            "" if store.backend == "file" else f"{store.life:g} s",
            f"{middle:.2f} s ({low:.2f} to {high:.2f})",
            f"{median(self.handovers) * 1000:.1f} ms",
            f"{worst * 1000:.1f} ms",
        ]


def take_overs(folder: Path, store: Served) -> Times:
    """Measure with two agents, of which one dies again and again, or stops to serve."""
    life = f"--session-timeout={store.life}"
    flag = folder / "disabled"
    serving = ["--release-delay=0.01", "--interval=0.05", "--fast-interval=0.05", f"--disable={flag}"]
    with agent(folder, store, 2, life, "--release-delay=0.01") as survivor:
        survivor.wait_for(f"announce route {vip(2)}", 0.0)
        _until(lambda: survivor.commands(f"announce route {ORPHAN}"))  # nobody has registered it
        deaths = [_die(agent(folder, store, 1, life), survivor, number) for number in range(DEATHS)]
        with agent(folder, store, 1, life, *serving) as owner:
            survivor.wait_for(f"withdraw route {ORPHAN}", _last(survivor))
            handovers = [_hand_over(flag, owner, survivor) for _ in range(HANDOVERS)]
    return Times(deaths, handovers)


def _die(owner: Program, survivor: Program, number: int) -> float:
    with owner:
        survivor.wait_for(f"withdraw route {ORPHAN}", _last(survivor))
        time.sleep(0.5 + number * 0.2)  # each death at another moment between two heartbeat
        died = time.monotonic()
        owner.kill()
        return survivor.wait_for(f"announce route {ORPHAN}", died).at - died


def _hand_over(flag: Path, owner: Program, survivor: Program) -> float:
    began = time.monotonic()
    flag.touch()
    gone = owner.wait_for(f"withdraw route {ORPHAN}", began).at
    taken = survivor.wait_for(f"announce route {ORPHAN}", began).at
    flag.unlink()
    survivor.wait_for(f"withdraw route {ORPHAN}", taken)
    return taken - gone


def _last(survivor: Program) -> float:
    """Return when the survivor took the VIP over last: what came before is of earlier rounds."""
    return survivor.commands(f"announce route {ORPHAN}")[-1].at


def _until(condition: Callable[[], object], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.01)
