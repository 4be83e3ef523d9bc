"""`python -m tests.lab`, as root: start the network, inspect it, cause failures, measure."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from tests.lab import plan, table
from tests.lab.lab import Lab, begin, running
from tests.lab.measure import Measured, measure
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.results import Results, kind, missing
from tests.lab.scenarios import BY_NAME, SCENARIOS
from tests.lab.shell import shell as shell_on
from tests.lab.side_by_side import Job, side_by_side, unique
from tests.servers.realtime import realtime_children

CONSOLE = Console()

_name = click.option("--name", default="lab", show_default=True, help="The lab's name.")
_tor = click.option(
    "--tor",
    type=click.Choice([kind.value for kind in Tor]),
    default="bird",
    help="Routing daemon on the ToR switches.",
)
_neighbors = click.option(
    "--neighbors",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="ToR switches per load balancer.",
)
_runs = click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="Number of runs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The leaf-spine lab, see docs/lab.md."""


@main.command()
@_name
@click.option(
    "--standby",
    type=click.Choice([kind.value for kind in Standby]),
    default="cold",
    help="Takeover policy.",
)
@_tor
@_neighbors
def up(name: str, standby: str, tor: str, neighbors: int) -> None:
    """Start a lab, which runs until `down`."""
    show(_or_exit(begin, Plan(name, Standby(standby), Tor(tor), neighbors)))


@main.command()
@_name
def down(name: str) -> None:
    """Stop all processes of a lab, and remove it."""
    Lab(Plan(name)).down()


@main.command()
@_name
def status(name: str) -> None:
    """Show the serving nodes and the paths of all VIPs."""
    show(_or_exit(running, name))


@main.command(context_settings={"ignore_unknown_options": True})
@_name
@click.argument("machine", type=click.Choice(plan.HOSTS))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(name: str, machine: str, command: tuple[str, ...]) -> None:
    """Open a shell on MACHINE, or run COMMAND there: `shell tor1 birdc show route`."""
    words = shell_on(_or_exit(running, name), machine, command)
    os.execvp(words[0], words)


@main.command()
@_name
@_runs
@click.argument("scenarios", nargs=-1, required=True, type=click.Choice(["all", *BY_NAME]), metavar="NAME...")
def scenario(name: str, runs: int, scenarios: tuple[str, ...]) -> None:
    """Run scenarios by name, or `all`, in a running lab; `scenarios` lists them."""
    lab = _or_exit(running, name)
    chosen = SCENARIOS if "all" in scenarios else [BY_NAME[name] for name in scenarios]
    for one in [one for one in chosen for _ in range(runs)]:
        print_result(lab.plan, measure(lab, one))


@main.command(name="scenarios")
def list_scenarios() -> None:
    """List the scenarios."""
    listed = Table("name", "event", "cold", "hot")
    for one in SCENARIOS:
        listed.add_row(one.name, one.title, one.cold.words, one.hot.words)
    CONSOLE.print(listed)


@main.command(name="table")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Runs of each scenario.")
@click.option("--labs", type=click.IntRange(2), default=4, show_default=True, help="Labs in parallel.")
@click.option(
    "--tor",
    "tors",
    type=click.Choice([kind.value for kind in Tor]),
    multiple=True,
    default=[kind.value for kind in Tor],
    help="Routing daemon on the ToR switches (default: one after the other).",
)
@click.option(
    "--neighbors",
    "numbers",
    type=click.IntRange(1, 2),
    multiple=True,
    default=[1, 2],
    help="ToR switches per load balancer (default: 1, then 2).",
)
@click.option(
    "--only", type=click.Choice(list(BY_NAME)), multiple=True, metavar="NAME", help="Scenario. Repeatable."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(tempfile.gettempdir()) / "vipagent-lab-results.jsonl",
    show_default=True,
    help="File of all results. Runs that it contains are not repeated.",
)
def make_table(
    *,
    runs: int,
    labs: int,
    tors: Sequence[str],
    numbers: Sequence[int],
    only: Sequence[str],
    results: Path,
) -> None:
    """Run all scenarios in new labs, cold and hot, and write the tables to docs/lab.md.

    If it is interrupted, the next call with the same file of results continues.
    """
    file = Results(results)
    with realtime_children():  # exclude the effect of other processes
        for neighbors in numbers:
            for tor in tors:
                _measure_missing(
                    file, _jobs(file, Tor(tor), neighbors, only or list(BY_NAME), runs=runs, labs=labs)
                )
    measured = file.read()
    table.write(measured, f"{labs} labs in parallel at real-time priority.")
    click.echo(table.page(measured))


def show(lab: Lab) -> None:
    """Print the serving node of each VIP, and the length of the AS path at agg1 through each ToR."""
    serving, paths = lab.probes.serving(), lab.paths()
    tors = [tor.name for tor in plan.TORS]
    shown = Table(Column("VIP", no_wrap=True), "owner", "served by", *(f"path by {tor}" for tor in tors))
    for vip, owner in plan.OWNERS.items():
        lengths = [str(paths.get(vip, {}).get(tor, "")) for tor in tors]
        shown.add_row(vip, owner, serving.get(vip) or "nobody", *lengths)
    CONSOLE.print(shown)


def print_result(planned: Plan, run: Measured) -> None:
    """Print the result of a run."""
    figure = table.format_figure(run.bound, run.figure, run.noticed, run.lost)
    rest = f"answered by {', '.join(sorted(run.answered))}; {run.returning_lost} lost on return"
    click.echo(f"{planned.name} {run.scenario.name}: {figure} (to reach: {run.bound.words}); {rest}")
    for failure in run.failures:
        click.echo(f"  out of bounds: {failure}\n{run.evidence}", err=True)


def _jobs(
    file: Results, tor: Tor, neighbors: int, names: Sequence[str], *, runs: int, labs: int
) -> Iterator[Job]:
    """Yield the runs that are missing, half of the labs cold and half hot."""
    for start, standby in enumerate(table.KINDS):
        plans = [unique(standby, tor, neighbors) for _ in range(start, labs, 2)]
        for place, name in enumerate(missing(file.read(), kind(plans[0]), names, runs)):
            yield plans[place % len(plans)], name


def _measure_missing(file: Results, jobs: Iterable[Job]) -> None:
    with side_by_side([*jobs]) as futures:
        for future in as_completed(futures):
            file.add(future.result())
            print_result(future.result().plan, future.result())


def _or_exit(call: Callable[[Any], Lab], argument: object) -> Lab:
    """Call a function, and print errors without a traceback."""
    try:
        return call(argument)
    except (OSError, RuntimeError, AssertionError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
