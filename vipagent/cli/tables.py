"""The status as tables for a terminal. Whatever comes from the store is text, never markup."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vipagent.telemetry.summary import SERVING, NodeEvent, NodeStatus, ServiceStatus, VipStatus


def tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return who serves what and how the nodes are, one service below the other.

    Args:
        statuses: the services.
        store: what is wrong with the store's session, if anything is.
    """
    parts = [*_store(store)]
    for status in statuses:
        parts += _service(status)
    return Group(*parts)


def event_tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return what each node has decided last, and why; the arguments are those of `tables`."""
    parts = [*_store(store)]
    for status in statuses:
        parts += [_title(status), _events(status.events)]
    return Group(*parts)


def _store(store: str) -> Iterable[RenderableType]:
    if store:
        yield Text(f"store {store}", "bold red")


def _title(status: ServiceStatus) -> Text:
    title = Text(f"service {status.service}", "bold")
    if status.maintenance is not None:
        title.append(f"  {status.maintenance.describe()}", "bold yellow")
    return title


def _service(status: ServiceStatus) -> Iterable[RenderableType]:
    yield _title(status)
    yield _vips(status.vips)
    yield _nodes(status.nodes)
    if status.ignored:
        yield Text(f"{status.ignored} entries in the store mean nothing here and are ignored", "yellow")


def _vips(vips: Iterable[VipStatus]) -> Table:
    table = _table("VIP", "owner", "announced by")
    for vip in vips:
        by = ", ".join(f"{one.node} (rank {one.rank}, {one.reason})" for one in vip.announced_by)
        table.add_row(Text(vip.vip), _owner(vip), Text(by or "nobody", "" if by else "red"))
    return table


def _owner(vip: VipStatus) -> Text:
    if vip.owner is not None:
        return Text(vip.owner, "green")
    return Text("registered, no vipagent", "yellow") if vip.registered else Text("none", "red")


def _nodes(nodes: Iterable[NodeStatus]) -> Table:
    table = _table("node", "state", "BGP", "since", "why")
    for node in nodes:
        neighbors = "unknown" if node.neighbors is None else str(node.neighbors)
        state = Text(node.state, "green" if node.state == SERVING else "yellow")
        table.add_row(Text(node.node), state, Text(neighbors), Text(node.since), Text(node.why))
    return table


def _events(happened: Iterable[NodeEvent]) -> Table:
    table = _table("at (UTC)", "node", "VIP", "cause", "rule", "route")
    for event in happened:
        route = f"{event.old or 'nothing'} -> {event.new}"
        row = (event.at.removesuffix("+00:00"), event.node, event.vip, event.cause, event.rule, route)
        table.add_row(*(Text(text) for text in row))
    return table


def _table(*columns: str) -> Table:
    """Return a table whose last column alone gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table
