"""`python -m tests.lab`, as root: start the network, inspect it, cause failures, measure."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from tests.lab import plan, table
from tests.lab.lab import Lab, begin, running
from tests.lab.measure import Measured, measure
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.scenarios import BY_NAME, SCENARIOS
from tests.lab.shell import shell as shell_on
from tests.lab.side_by_side import Job, side_by_side, unique

CONSOLE = Console()

_name = click.option("--name", default="lab", show_default=True, help="The lab's name.")
_tor = click.option(
    "--tor", type=click.Choice([kind.value for kind in Tor]), default="bird", help="Routing daemon on tor1."
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
def up(name: str, standby: str, tor: str) -> None:
    """Start a lab, which runs until `down`."""
    show(_or_exit(begin, Plan(name, Standby(standby), Tor(tor))))


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
@_tor
def make_table(runs: int, labs: int, tor: str) -> None:
    """Run all scenarios in new labs, cold and hot, and write the table to docs/lab.md."""
    kinds = [
        (kind, [unique(kind, Tor(tor), n) for n in range(start, labs, 2)])
        for start, kind in enumerate(table.KINDS)
    ]
    names = [one.name for _ in range(runs) for one in SCENARIOS]
    jobs = [(plans[place % len(plans)], name) for _, plans in kinds for place, name in enumerate(names)]
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # exclude the effect of other processes
    measured = _measured(jobs)
    made = f"Medians of {runs} runs, tor1 a {Tor(tor).label}, {labs} labs in parallel at real-time priority."
    table.write(measured, made)
    click.echo(table.table(measured))


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


def _measured(jobs: Sequence[Job]) -> list[Measured]:
    measured = []
    with side_by_side(jobs) as futures:
        planned = {future: lab for future, (lab, _) in zip(futures, jobs, strict=True)}
        for future in as_completed(futures):
            measured.append(future.result())
            print_result(planned[future], measured[-1])
    return measured


def _or_exit(call: Callable[[Any], Lab], argument: object) -> Lab:
    """Call a function, and print errors without a traceback."""
    try:
        return call(argument)
    except (OSError, RuntimeError, AssertionError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
