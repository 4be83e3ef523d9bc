"""Results of measurements in a file, so that an interrupted table can be continued."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.measure import Measured
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.scenarios import BY_NAME

Kind = tuple[Standby, Tor, int]
"""What is the same in all labs whose results belong together."""


def kind(planned: Plan) -> Kind:
    """Return the kind of a lab."""
    return planned.standby, planned.tor, planned.neighbors


@dataclass(frozen=True)
class Results:
    """A file with one line of JSON per run."""

    path: Path

    def add(self, run: Measured) -> None:
        """Append the result of a run."""
        stored = asdict(run) | {"scenario": run.scenario.name, "answered": sorted(run.answered)}
        with self.path.open("a") as file:
            file.write(json.dumps(stored) + "\n")

    def read(self) -> list[Measured]:
        """Return all results of scenarios that exist."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        stored = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be incomplete
        return [_measured(**run) for run in stored if run["scenario"] in BY_NAME]


def missing(runs: Iterable[Measured], wanted: Kind, names: Sequence[str], count: int) -> Iterator[str]:
    """Yield the scenarios to run in labs of a kind until there are `count` runs of each, round by round."""
    done = Counter(run.scenario.name for run in runs if kind(run.plan) == wanted)
    for number in range(count):
        yield from (name for name in names if done[name] <= number)


def _measured(scenario: str, plan: dict[str, str], answered: list[str], **figures: float) -> Measured:
    planned = Plan(plan["name"], Standby(plan["standby"]), Tor(plan["tor"]), int(plan["neighbors"]))
    return Measured(BY_NAME[scenario], planned, answered=frozenset(answered), **figures)  # type: ignore[arg-type]
