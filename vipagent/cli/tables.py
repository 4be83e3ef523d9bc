"""The status as tables for a terminal. Whatever comes from the store is text, never markup."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vipagent.store.summary import SERVING, NodeStatus, ServiceStatus, VipStatus


def tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return everything, one service below the other.

    Args:
        statuses: the services.
        store: what is wrong with the store's session, if anything is.
    """
    parts: list[RenderableType] = [Text(f"store {store}", "bold red")] if store else []
    for status in statuses:
        parts += _service(status)
    return Group(*parts)


def _service(status: ServiceStatus) -> Iterable[RenderableType]:
    title = Text(f"service {status.service}", "bold")
    if status.maintenance is not None:
        title.append(f"  {status.maintenance.in_words()}", "bold yellow")
    yield title
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
        neighbors = "?" if node.neighbors is None else str(node.neighbors)
        state = Text(node.state, "green" if node.state == SERVING else "yellow")
        table.add_row(Text(node.node), state, Text(neighbors), Text(node.since), Text(node.why))
    return table


def _table(*columns: str) -> Table:
    """Return a table whose last column alone gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table
