"""The table of docs/lab.md: medians of several runs, as measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.lab.measure import Measured
from tests.lab.plan import Standby
from tests.lab.scenarios import NO_LOSS, SCENARIOS, Bound, Scenario

PAGE = Path(__file__).parents[2] / "docs" / "lab.md"
START, END = "<!-- table -->", "<!-- /table -->"
KINDS = (Standby.COLD, Standby.HOT)


def table(runs: Sequence[Measured]) -> str:
    """Return the table, in Markdown."""
    heads = [f"{kind}: {what}" for kind in KINDS for what in ("to reach", "measured")]
    lines = [["scenario", *heads], ["---"] * (1 + len(heads))]
    for scenario in SCENARIOS:
        if any(run.scenario == scenario for run in runs):
            lines.append([scenario.title, *_cells(scenario, runs)])
    returns = (NO_LOSS.words, *(_return(_of(kind, runs)) for kind in KINDS[:1]))
    lines.append(
        [
            "node returns after any of these",
            *returns,
            NO_LOSS.words,
            *(_return(_of(kind, runs)) for kind in KINDS[1:]),
        ]
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(runs: Sequence[Measured], what: str) -> None:
    """Put the table in its place in the page, with a line that says what was measured."""
    before, _, rest = PAGE.read_text().partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n{what}\n\n{table(runs)}\n{END}{after}")


def duration(seconds: float) -> str:
    """Return a time in words: `14 ms`, `6.05 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def in_words(bound: Bound, figure: float, noticed: float, lost: float) -> str:
    """Return one figure as the table has it."""
    packets = f"{lost:.0f} lost"
    if bound == NO_LOSS:
        return packets if not lost else f"{packets} ({duration(figure)})"
    if bound.noticed:
        return f"{duration(noticed)} + {duration(max(0.0, figure - noticed))}, {packets}"
    return f"{duration(figure)}, {packets}"


def _cells(scenario: Scenario, runs: Sequence[Measured]) -> Iterator[str]:
    for kind in KINDS:
        bound = scenario.bound(kind)
        of = [run for run in _of(kind, runs) if run.scenario == scenario]
        figures = (
            [median(getattr(run, name) for run in of) for name in ("figure", "noticed", "lost")] if of else []
        )
        yield bound.words
        yield in_words(bound, *figures) if of else ""


def _return(runs: Sequence[Measured]) -> str:
    lost = [run.returning_lost for run in runs]
    if not lost:
        return ""
    bad = sum(map(bool, lost))
    return f"{median(lost):.0f} lost" + (
        f"; {max(lost)} at worst, in {bad} of {len(lost)} returns" if bad else ""
    )


def _of(kind: Standby, runs: Sequence[Measured]) -> list[Measured]:
    return [run for run in runs if run.standby is kind]
