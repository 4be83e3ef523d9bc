"""`vipagent simulate`: who would serve what if nodes died."""

import json
from dataclasses import asdict, dataclass, replace
from random import Random

import click
from rich.console import Console
from rich.table import Table

from vipagent.core.forecast import Forecast, Round, pool
from vipagent.types import Takeover

SHOWN = 20
"""Orphans that are named on a terminal; with --json all are."""
COLUMNS = ("round", "dead", "orphans", "moved", "needlessly", "fewest", "most", "max - min")


@click.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(2), help="Nodes of the pool.")
@click.option("--vips", type=click.IntRange(1), help="VIPs, shared out evenly.  [default: one a node]")
@click.option("--kill", default=1, show_default=True, type=click.IntRange(1), help="Nodes that die first.")
@click.option("--second", default=0, type=click.IntRange(0), help="Nodes that die after these.")
@click.option("--rack", is_flag=True, help="Those that die together are neighbours in the pool.")
@click.option(
    "--takeover",
    type=click.Choice([policy.value for policy in Takeover]),
    help="One policy only.  [default: all three]",
)
@click.option("--seed", default=0, show_default=True, help="Which nodes die.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable: a list of policies.")
def command(
    *,
    nodes: int,
    vips: int | None,
    kill: int,
    second: int,
    rack: bool,
    takeover: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Forecast who would serve what if nodes died, how evenly, and how many VIPs would move.

    \b
    Nodes die, more die, then all come back, the last first. In each round
      moved         VIPs that somebody else serves than before
      needlessly    orphans among them whose server lives
      fewest, most  VIPs that one survivor serves
    With `all`, every survivor announces every orphan, and the network shares them out.

    \b
    --json is a list of
      takeover      the policy
      deaths        what, dead, orphans, moved, needless, least, most, max_minus_min,
                    takers: of each orphan, by rank; none where every survivor takes it
      returns       the same without takers, for each node that comes back
    """  # noqa: D301 - click's mark for lines that stay as they are
    total = vips or nodes
    if kill + second >= nodes:
        raise click.UsageError(f"of {nodes} nodes, at most {nodes - 1} can die: somebody has to be left")
    if total < nodes:
        raise click.UsageError(f"{total} VIPs for {nodes} nodes: each node needs at least one of its own")
    rng = Random(seed)  # noqa: S311 - no secret
    dying = _dying(rng, nodes, kill + second, rack)
    policies = [Takeover(takeover)] if takeover else list(Takeover)
    outlooks = [_outlook(policy, Forecast(pool(nodes, total), policy), dying, kill) for policy in policies]
    if as_json:
        click.echo(json.dumps([_plain(outlook) for outlook in outlooks], indent=2))
    else:
        _print(outlooks)


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What one policy makes of the same deaths."""

    takeover: Takeover
    deaths: list[Round]
    returns: list[Round]


def _dying(rng: Random, nodes: int, count: int, rack: bool) -> list[int]:
    if not rack:
        return rng.sample(range(nodes), count)
    first = rng.randrange(nodes)
    return [(first + number) % nodes for number in range(count)]


def _outlook(takeover: Takeover, forecast: Forecast, dying: list[int], kill: int) -> _Outlook:
    deaths = [forecast.step(f"{kill} die", set(dying[:kill]))]
    if len(dying) > kill:
        deaths.append(forecast.step(f"{len(dying) - kill} more die", set(dying)))
    returns = [
        forecast.step(f"node{dying[left] + 1} is back", set(dying[:left]))
        for left in reversed(range(len(dying)))
    ]
    return _Outlook(takeover, deaths, returns)


def _plain(outlook: _Outlook) -> dict[str, object]:
    return {
        "takeover": outlook.takeover,
        "deaths": [_numbers(one) | {"takers": one.takers} for one in outlook.deaths],
        "returns": [_numbers(one) for one in outlook.returns],
    }


def _numbers(one: Round) -> dict[str, object]:
    numbers = asdict(one) | {"max_minus_min": one.spread}
    del numbers["takers"]
    return numbers


def _print(outlooks: list[_Outlook]) -> None:
    console = Console()
    for outlook in outlooks:
        table = Table(
            title=f"takeover: {outlook.takeover}", title_justify="left", box=None, header_style="dim"
        )
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == COLUMNS[0] else "right", no_wrap=True)
        for one in [*outlook.deaths, _together(outlook.returns)]:
            numbers = (one.dead, one.orphans, one.moved, one.needless, one.least, one.most, one.spread)
            table.add_row(one.what, *map(str, numbers))
        console.print(table)
        _print_takers(console, outlook.deaths[0])


def _together(returns: list[Round]) -> Round:
    """Return all the returns as one round."""
    moved, needless = sum(one.moved for one in returns), sum(one.needless for one in returns)
    return replace(returns[-1], what=f"{len(returns)} come back", moved=moved, needless=needless)


def _print_takers(console: Console, first: Round) -> None:
    named = list(first.takers.items())
    for vip, takers in named[:SHOWN]:
        console.print(f"  {vip}: {', then '.join(takers) or 'every survivor'}", highlight=False)
    if len(named) > SHOWN:
        console.print(f"  ... and {len(named) - SHOWN} more (--json)", highlight=False)
