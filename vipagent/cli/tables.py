"""Status tables for a terminal. Values from the store are rendered as plain text, not as markup."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vipagent.cli.texts import counted
from vipagent.telemetry.problems import NodeProblem
from vipagent.telemetry.summary import SERVING, Announcer, NodeEvent, NodeStatus, ServiceStatus, VipStatus
from vipagent.types import Reason, SessionState


def tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return the VIPs and nodes of each service as tables.

    Args:
        statuses: the services.
        store: the problem with the store's session, if any.
    """
    parts, problems = [*_store(store)], dict[NodeProblem, None]()
    for status in statuses:
        parts += _service(status)
        problems.update(dict.fromkeys(status.problems))  # a neighbour's problem is one of each service
    return Group(*parts, *_problems(problems))


def fact_tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return what each node asked for and what ExaBGP made of it; the arguments are those of `tables`."""
    parts = [*_store(store)]
    for status in statuses:
        parts += [_title(status), _routes(status.vips), _neighbors(status.nodes)]
    return Group(*parts)


def event_tables(statuses: Iterable[ServiceStatus], store: str = "") -> RenderableType:
    """Return the latest route changes of each node; the arguments are those of `tables`."""
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
        yield Text(
            f"ignoring {counted(status.ignored, 'unknown entry', 'unknown entries')} in the store", "yellow"
        )


def _vips(vips: Iterable[VipStatus]) -> Table:
    table = _table("VIP", "owner", "announced by")
    for vip in vips:
        table.add_row(Text(vip.vip), _owner(vip), _announcers(vip))
    return table


def _announcers(vip: VipStatus) -> Text:
    """Describe who announces a VIP, and in red who does so in vain."""
    texts = [
        Text(f"{one.node} (rank {one.rank}, {_why(one)})", "" if _serves(one) else "red")
        for one in vip.announced_by
    ]
    texts += [Text(f"{one.node} ({_asked(one)})", "red") for one in vip.asked_by]
    if vip.holder:
        texts.insert(0, Text(f"unknown: registered by {vip.holder}", "yellow"))
    elif not vip.announced_by:
        texts.insert(0, Text("none", "red"))
    return Text(", ").join(texts)


def _why(one: Announcer) -> str:
    """Return the reason of a route, and whether no neighbour receives it: a log or a pipe shows no red."""
    vain = not one.counted and one.reason != Reason.NO_BGP
    return f"{one.reason}, no BGP neighbour" if vain else one.reason


def _serves(one: Announcer) -> bool:
    return one.counted and one.local is not False


def _asked(one: Announcer) -> str:
    """Describe a requested route that is not announced."""
    missing = "not in ExaBGP's table" if one.accepted else "not accepted"
    return f"asked for rank {one.rank}, {missing}: {one.reason}"


def _routes(vips: Iterable[VipStatus]) -> Table:
    table = _table("VIP", "node", "asked for", "accepted", "in table", "address", "reason")
    for vip in vips:
        for one in (*vip.announced_by, *vip.asked_by):
            facts = (_fact(value) for value in (one.accepted, one.in_table, one.local))
            table.add_row(Text(vip.vip), Text(one.node), Text(f"rank {one.rank}"), *facts, Text(one.reason))
    return table


def _neighbors(nodes: Iterable[NodeStatus]) -> Table:
    table = _table("node", "neighbour", "state", "AS", "hold time", "interface", "families")
    for node in nodes:
        for peer in node.peers:
            look = "green" if peer.state == SessionState.ESTABLISHED else "red"
            numbers = f"{_known(peer.local_as)} -> {_known(peer.peer_as)}"
            texts = (numbers, _known(peer.hold_time), peer.interface or "?", ", ".join(peer.families) or "?")
            table.add_row(Text(node.node), Text(peer.address), Text(peer.state, look), *map(Text, texts))
    return table


def _fact(value: bool | None) -> Text:
    return Text("unknown", "dim") if value is None else Text("yes", "green") if value else Text("no", "red")


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _problems(problems: Iterable[NodeProblem]) -> Iterable[RenderableType]:
    """Yield what is wrong and what to do about it."""
    for number, found in enumerate(problems):
        if not number:
            yield Text("problems", "bold red")
        where = " ".join(filter(None, [found.node, found.service]))
        yield Text(f"{where}: {found.what} ({found.reason})", "red")
        yield Padding(Text(f"-> {found.do}"), (0, 0, 0, 2))


def _owner(vip: VipStatus) -> Text:
    if vip.owner is not None:
        return Text(vip.owner, "green")
    return Text("registered, no vipagent", "yellow") if vip.registered else Text("none", "red")


def _nodes(nodes: Iterable[NodeStatus]) -> Table:
    table = _table("node", "state", "BGP", "since", "why")
    for node in nodes:
        neighbors = "unknown" if node.neighbors is None else str(node.neighbors)
        # a service with the option `neighbor` counts only some of them
        established = sum(peer.state == SessionState.ESTABLISHED for peer in node.peers)
        if established == node.neighbors and established < len(node.peers):
            neighbors += f" of {len(node.peers)}"
        state = Text(node.state, "green" if node.state == SERVING else "yellow")
        table.add_row(Text(node.node), state, Text(neighbors), Text(node.since), Text(node.why))
    return table


def _events(events: Iterable[NodeEvent]) -> Table:
    table = _table("at (UTC)", "node", "VIP", "cause", "rule", "route")
    for event in events:
        route = f"{event.old or 'nothing'} -> {event.new}"
        row = (event.at.removesuffix("+00:00"), event.node, event.vip, event.cause, event.rule, route)
        table.add_row(*(Text(text) for text in row))
    return table


def _table(*columns: str) -> Table:
    """Return a table that wraps only its last column on a narrow terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table
