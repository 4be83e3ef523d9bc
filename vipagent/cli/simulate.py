"""`vipagent simulate`: forecast takeovers after the death of nodes."""

import json
from dataclasses import asdict, dataclass, replace
from random import Random

import click
from rich.console import Console
from rich.table import Table

from vipagent.cli.texts import counted
from vipagent.core.forecast import Forecast, Round, pool
from vipagent.types import Takeover

MAX_LISTED = 20
"""Maximum number of orphans listed on a terminal; --json lists all."""
COLUMNS = ("round", "dead", "orphans", "moved", "needlessly", "fewest", "most", "max - min")


@click.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(2), help="Number of nodes.")
@click.option("--vips", type=click.IntRange(1), help="Number of VIPs.  [default: one per node]")
@click.option(
    "--kill", default=1, show_default=True, type=click.IntRange(1), help="Number of nodes that die first."
)
@click.option("--second", default=0, type=click.IntRange(0), help="Number of nodes that die next.")
@click.option("--rack", is_flag=True, help="Select adjacent nodes of the pool.")
@click.option(
    "--takeover",
    type=click.Choice([policy.value for policy in Takeover]),
    help="Takeover policy.  [default: all three]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random selection of nodes.")
@click.option("--json", "as_json", is_flag=True, help="JSON output: a list of policies.")
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
    """Forecast which nodes serve which VIPs after nodes die, how evenly, and how many VIPs move.

    \b
    Nodes die, more nodes die, then all return, the last one first. Columns of a round:
      moved         VIPs served by another node than before
      needlessly    orphans among them whose previous node is alive
      fewest, most  minimum and maximum number of VIPs per survivor
    With `all`, every survivor announces every orphan, and the network distributes the traffic.

    \b
    --json prints a list of
      takeover      the policy
      deaths        what, dead, orphans, moved, needless, least, most, max_minus_min,
                    takers: nodes of each orphan, by rank; empty if every survivor takes it
      returns       the same without takers, for each node that returns
    """  # noqa: D301 - click's mark for preformatted paragraphs
    total = vips or nodes
    if kill + second >= nodes:
        raise click.UsageError(f"of {counted(nodes, 'node')}, at most {nodes - 1} can die: one must survive")
    if total < nodes:
        raise click.UsageError(f"{counted(total, 'VIP')} for {nodes} nodes: each node must own at least one")
    rng = Random(seed)  # noqa: S311 - not used for security
    dying = _dying(rng, nodes, kill + second, rack)
    policies = (Takeover(takeover),) if takeover else Takeover
    results = [_policy_forecast(one, Forecast(pool(nodes, total), one), dying, kill) for one in policies]
    if as_json:
        click.echo(json.dumps([_plain(result) for result in results], indent=2))
    else:
        _print(results)


@dataclass(frozen=True, slots=True)
class _PolicyForecast:
    """Forecast of one policy."""

    takeover: Takeover
    deaths: list[Round]
    returns: list[Round]


def _dying(rng: Random, nodes: int, count: int, rack: bool) -> list[int]:
    if not rack:
        return rng.sample(range(nodes), count)
    first = rng.randrange(nodes)
    return [(first + number) % nodes for number in range(count)]


def _policy_forecast(takeover: Takeover, forecast: Forecast, dying: list[int], kill: int) -> _PolicyForecast:
    deaths = [forecast.step(counted(kill, "dies", "die"), set(dying[:kill]))]
    if len(dying) > kill:
        deaths.append(forecast.step(counted(len(dying) - kill, "more dies", "more die"), set(dying)))
    returns = [
        forecast.step(f"node{dying[left] + 1} is back", set(dying[:left]))
        for left in reversed(range(len(dying)))
    ]
    return _PolicyForecast(takeover, deaths, returns)


def _plain(result: _PolicyForecast) -> dict[str, object]:
    return {
        "takeover": result.takeover,
        "deaths": [_numbers(one) | {"takers": one.takers} for one in result.deaths],
        "returns": [_numbers(one) for one in result.returns],
    }


def _numbers(one: Round) -> dict[str, object]:
    numbers = asdict(one) | {"max_minus_min": one.spread}
    del numbers["takers"]
    return numbers


def _print(results: list[_PolicyForecast]) -> None:
    console = Console()
    for result in results:
        table = Table(
            title=f"takeover: {result.takeover}", title_justify="left", box=None, header_style="dim"
        )
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == COLUMNS[0] else "right", no_wrap=True)
        for one in [*result.deaths, _total(result.returns)]:
            numbers = (one.dead, one.orphans, one.moved, one.needless, one.least, one.most, one.spread)
            table.add_row(one.what, *map(str, numbers))
        console.print(table)
        _print_takers(console, result.deaths[0])


def _total(returns: list[Round]) -> Round:
    """Return the sum of all returns as one round."""
    moved, needless = sum(one.moved for one in returns), sum(one.needless for one in returns)
    return replace(
        returns[-1], what=counted(len(returns), "comes back", "come back"), moved=moved, needless=needless
    )


def _print_takers(console: Console, first: Round) -> None:
    named = list(first.takers.items())
    for vip, takers in named[:MAX_LISTED]:
        console.print(f"  {vip}: {', then '.join(takers) or 'every survivor'}", highlight=False)
    if len(named) > MAX_LISTED:
        console.print(f"  ... and {len(named) - MAX_LISTED} more (--json)", highlight=False)
