"""The demo's screen: the switch's table, the load balancers, and the results of the steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from vipagent.demo.cluster import NODES
from vipagent.demo.table import Table

NAMES = {node.address: node.name for node in NODES}


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a step."""

    title: str
    seconds: float
    unserved: float | None
    """Longest time in seconds without a route for a VIP; None: intended."""
    reached: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """A load balancer."""

    name: str
    is_running: bool
    page: str | None
    """Address of its status page."""


def render(table: Table, nodes: Sequence[Machine], results: Sequence[Result], hint: str) -> RenderableType:
    """Render the screen.

    Args:
        table: routes of the switch.
        nodes: the load balancers.
        results: results of the steps so far.
        hint: the line at the bottom.
    """
    return Group(_routes(table), _nodes(nodes), *map(_result, results), Text(hint, style="dim"))


def _routes(table: Table) -> Grid:
    grid = Grid(
        "VIP",
        "served by",
        "MED",
        "also announced by",
        title="BGP routes of the switch",
        min_width=72,
    )
    for node in NODES:
        paths = table.paths.get(node.vip, {})
        best = table.best(node.vip)
        others = [f"{NAMES[peer]} ({med})" for peer, med in sorted(paths.items()) if peer != best]
        if best is None:
            grid.add_row(node.vip, Text("nobody", style="bold red"), "", "")
        else:
            style = "green" if best == node.address else "yellow"
            grid.add_row(node.vip, Text(NAMES[best], style=style), str(paths[best]), ", ".join(others))
    return grid


def _nodes(nodes: Sequence[Machine]) -> Text:
    text = Text()
    for node in nodes:
        text.append(
            f" {node.name}: {'up' if node.is_running else 'dead'} ",
            style="green" if node.is_running else "bold red",
        )
        text.append(f"http://{node.page}/ " if node.page else "", style="dim")
    return text


def _result(result: Result) -> Text:
    mark = "✓" if result.reached else "✗"
    unserved = (
        "" if result.unserved is None else f", longest without a route: {result.unserved * 1000:.0f} ms"
    )
    outcome = (
        f"{result.seconds:.2f} s{unserved}"
        if result.reached
        else f"not reached within {result.seconds:.0f} s"
    )
    return Text(f"{mark} {result.title}: {outcome}", style="green" if result.reached else "bold red")
