"""The tables of docs/lab.md: medians of several runs, as measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from tests import markdown
from tests.lab.measure import Measured
from tests.lab.plan import Standby, Tor
from tests.lab.scenarios import NO_LOSS, SCENARIOS, Bound, Scenario
from tests.markdown import DOCS, Part

PLACE = Part(DOCS / "lab.md", "table")
KINDS = (Standby.COLD, Standby.HOT)


def page(runs: Sequence[Measured]) -> str:
    """Return a table for each kind of network, in Markdown."""
    networks = [(tor, neighbors) for neighbors in (1, 2) for tor in Tor]
    parts = []
    for tor, neighbors in networks:
        of = [run for run in runs if (run.plan.tor, run.plan.neighbors) == (tor, neighbors)]
        if of:
            parts += [f"{_network(tor, neighbors)}, {_count(of)}:", table(of)]
    return "\n\n".join(parts)


def table(runs: Sequence[Measured]) -> str:
    """Return the table of one kind of network, in Markdown."""
    heads = [f"{kind}: {what}" for kind in KINDS for what in ("to reach", "measured")]
    rows = []
    for scenario in SCENARIOS:
        of = [run for run in runs if run.scenario == scenario]
        if of:
            rows.append([scenario.title, *_cells(scenario, of), scenario.exazk])
        if of and scenario.mended:
            rows.append([scenario.mended, *_returns(of), ""])
    rows.append(["node returns after any of these", *_returns(runs), ""])
    return markdown.table(["scenario", *heads, "ExaZK"], rows)


def write(runs: Sequence[Measured], what: str) -> None:
    """Write the tables to the page, below a line that describes the measurement."""
    PLACE.write(f"{what}\n\n{page(runs)}")


def duration(seconds: float) -> str:
    """Format a time: `14 ms`, `6.05 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def format_figure(bound: Bound, figure: float, noticed: float, lost: float) -> str:
    """Format one figure for the table."""
    packets = f"{lost:.0f} lost"
    if bound == NO_LOSS:
        return packets if not lost else f"{packets} ({duration(figure)})"
    if bound.noticed:
        return f"{duration(noticed)} + {duration(max(0.0, figure - noticed))}, {packets}"
    return f"{duration(figure)}, {packets}"


def _network(tor: Tor, neighbors: int) -> str:
    by = "one neighbour" if neighbors == 1 else "two neighbours"
    return f"**ToR switches with {tor.label}, {by} per load balancer**"


def _count(runs: Sequence[Measured]) -> str:
    """Return the number of runs per scenario."""
    counts = Counter((run.scenario.name, run.plan.standby) for run in runs).values()
    few, many = min(counts), max(counts)
    number = str(few) if few == many else f"{few} to {many}"
    return f"medians of {number} runs" if many > 1 else "one run each"


def _cells(scenario: Scenario, runs: Sequence[Measured]) -> Iterator[str]:
    for kind in KINDS:
        of = _of(kind, runs)
        bound = scenario.bound(replace(runs[0].plan, standby=kind))
        figures = (
            [median(getattr(run, name) for run in of) for name in ("figure", "noticed", "lost")] if of else []
        )
        yield bound.words
        yield format_figure(bound, *figures) if of else ""


def _returns(runs: Sequence[Measured]) -> Iterator[str]:
    for kind in KINDS:
        yield NO_LOSS.words
        yield _return(_of(kind, runs))


def _return(runs: Sequence[Measured]) -> str:
    lost = [run.returning_lost for run in runs]
    if not lost:
        return ""
    bad = sum(map(bool, lost))
    return f"{median(lost):.0f} lost" + (
        f"; {max(lost)} at worst, in {bad} of {len(lost)} returns" if bad else ""
    )


def _of(kind: Standby, runs: Sequence[Measured]) -> list[Measured]:
    return [run for run in runs if run.plan.standby is kind]
