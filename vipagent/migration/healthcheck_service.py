"""Converts one healthcheck to a service."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network

from vipagent.config.problems import Problem
from vipagent.migration.draft import Instance, Reading, Remark, Setting, Weight
from vipagent.migration.options import Given

MAX_ADDRESSES = 1024
"""Maximum number of addresses from deaggregated networks."""

SAME = (
    "interval", "fast-interval", "timeout", "rise", "fall", "disable", "command",
    "next-hop", "local-preference", "community", "extended-community", "large-community", "path-id",
    "execute", "up-execute", "down-execute", "disabled-execute",
)  # fmt: skip
"""Options with the same name in vipagent."""
MEANT_OFF = {
    "interval": (
        "0",
        "interval was 0: healthcheck ended after one announcement. vipagent keeps checking.",
    ),
    "timeout": ("0", "timeout was 0: unlimited. vipagent uses 5 s by default."),
    "local-preference": ("-1", "local-preference was -1: none."),
    "path-id": ("0", "path-id was 0: none."),
    "rise": ("0", "rise was 0, which is the same as 1."),
    "fall": ("0", "fall was 0, which is the same as 1."),
}
"""Special values of healthcheck: they are removed, with a remark."""

LOOKED_AT = (
    "name", "config", "ip", "start-ip", "deaggregate-networks", "up-metric", "increase", "neighbor",
    "no-ip-setup", "debug", "syslog-facility", "no-syslog",
)  # fmt: skip
"""Options that are converted."""

_BY_EXABGP = "ExaBGP sets the user of its processes (exabgp_daemon_user)"
_DOWN = "vipagent withdraws a service that is down or disabled, and other nodes take it over"
_PATH = "vipagent sets the AS path by rank: prepend and local_as"
REMARKS = {
    "silent": Remark("silent: the log is written to stderr, which ExaBGP forwards or drops."),
    "no-ack": Remark("no-ack needs no counterpart: replies are read if ExaBGP sends any."),
    "debounce": Remark("debounce needs no counterpart: only changes are ever written to ExaBGP."),
    "withdraw-on-down": Remark("withdraw-on-down needs no counterpart: it is the default."),
    "pid": Remark("pid: no pid file is written; ExaBGP manages the process."),
    "sudo": Remark(f"sudo: for ip_setup the agent needs CAP_NET_ADMIN. {_BY_EXABGP}.", Weight.TODO),
    "user": Remark(f"user: the agent does not change its user. {_BY_EXABGP}.", Weight.TODO),
    "group": Remark(f"group: the agent does not change its group. {_BY_EXABGP}.", Weight.TODO),
    "label": Remark("label: vipagent sets no labels on addresses."),
    "label-exact-match": Remark("label-exact-match: vipagent sets no labels on addresses."),
    "ip-ifname": Remark(
        "ip-ifname: ip_setup supports only the loopback interface. Add addresses on others by other means.",
        Weight.TODO,
    ),
    "dynamic-ip-setup": Remark(
        "dynamic-ip-setup: with ip_setup the addresses stay while the service is down. If required, remove "
        "them with down_execute and disabled_execute, and add them with up_execute.",
        Weight.TODO,
    ),
    "down-metric": Remark(f"down-metric: {_DOWN}."),
    "disabled-metric": Remark(f"disabled-metric: {_DOWN}."),
    "disabled-community": Remark(
        f"disabled-community: {_DOWN}. A draining node sends GRACEFUL_SHUTDOWN (RFC 8326)."
    ),
    "as-path": Remark(f"as-path: {_PATH}.", Weight.TODO),
    "up-as-path": Remark(f"up-as-path: {_PATH}.", Weight.TODO),
    "down-as-path": Remark(f"down-as-path: {_DOWN}."),
    "disabled-as-path": Remark(f"disabled-as-path: {_DOWN}."),
}
"""Options without a counterpart."""

ALONE = Remark(
    "vip: add the VIPs of the other nodes; the list must be the same on every node. A VIP that several "
    "nodes announced must have one owner: set it as auth_ip only on that node.",
    Weight.TODO,
)
FIRST = Remark(
    "healthcheck announced all of these, this one with the best metric. Each must have one owner: set "
    "a different auth_ip on every node, and the same vip.",
    Weight.TODO,
)
HOT = Remark("As before, every node announces every VIP, its owner with the best MED.")
HOOKS = Remark("execute also ran for RISING and FALLING; vipagent runs it for UP, DOWN and DISABLED.")
DOWN = Remark(f"{_DOWN}; healthcheck announced it with a worse metric.")
STORE = Remark(
    "healthcheck has no store. `file` is a directory for the agents of one machine: for several nodes "
    "set backend and hosts (see `vipagent backends`), the same on every node.",
    Weight.TODO,
)
SYSLOG = Remark("healthcheck logs to syslog by default.")


def instance(where: str, process: str, given: Given) -> Reading:
    """Return the service of one healthcheck.

    Args:
        where: its file, for messages.
        process: the default name.
        given: its options.
    """
    try:
        ips = _ips(given)
    except ValueError as error:
        return Reading((), (Problem(where, "--ip", None, str(error)),))
    called = str(given.get("name", process))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", called)
    renamed = (Remark(f"healthcheck called this {called}."),) if name != called else ()
    down = () if "withdraw-on-down" in given else (DOWN,)
    found = Instance(
        where=where,
        name=name,
        top=(Setting("backend", "file", "--backend", (STORE,)), *_log(given)),
        service=(*_routes(given, ips), *_same_options(given)),
        remarks=(*renamed, *down, *_remarks(given)),
    )
    return Reading((found,))


def _ips(given: Mapping[str, str | list[str]]) -> list[str]:
    """Return the addresses in the order of their metrics.

    Raises:
        ValueError: there are none, or they are invalid.
    """
    named = given.get("ip")
    if not isinstance(named, list):
        label = f" with the label {given['label']}" if "label" in given else ""
        raise ValueError(
            f"is missing, so healthcheck uses the addresses of the loopback interface{label}: "
            "see `ip -o address show dev lo`, add an ip option for each, and import again"
        )
    ips = deque(_deaggregate(named) if "deaggregate-networks" in given else named)
    try:
        ips.rotate(-int(str(given.get("start-ip", "0"))))
    except ValueError:
        raise ValueError(f"cannot be sorted: start-ip {given['start-ip']!r} is not a number") from None
    return list(dict.fromkeys(ips))


def _deaggregate(named: Iterable[str]) -> list[str]:
    networks = [ip_network(text) for text in named]
    total = sum(network.num_addresses for network in networks)
    if total > MAX_ADDRESSES:
        raise ValueError(f"too many addresses after deaggregation: {total}, limit {MAX_ADDRESSES}")
    return [str(address) for network in networks for address in network]


def _routes(given: Given, ips: list[str]) -> Iterator[Setting]:
    yield Setting("auth_ip", ips[0], "--ip", (FIRST if len(ips) > 1 else ALONE,))
    yield Setting("vip", tuple(sorted(ips)), "--ip")
    if len(ips) > 1:
        yield Setting("takeover", "ranked", "--ip", (HOT,))
        yield Setting("standby", "hot", "--ip")
        yield Setting("med_step", str(given.get("increase", "1")), "--increase")
    yield Setting("med", str(given.get("up-metric", "100")), "--up-metric")
    neighbors = given.get("neighbor", [])
    if neighbors and "*" not in neighbors:
        yield Setting("neighbor", tuple(neighbors), "--neighbor")
    if "no-ip-setup" not in given:
        yield Setting("ip_setup", "true", "--no-ip-setup")


def _same_options(given: Given) -> Iterator[Setting]:
    for name in SAME:
        if name in given and not _off(name, given):
            value = given[name]
            kept = tuple(value) if isinstance(value, list) else value
            remarks = (HOOKS,) if name == "execute" else ()
            yield Setting(name.replace("-", "_"), kept, f"--{name}", remarks)


def _remarks(given: Given) -> Iterator[Remark]:
    for name in given:
        if name in REMARKS:
            yield REMARKS[name]
        elif _off(name, given):
            yield Remark(MEANT_OFF[name][1])


def _off(name: str, given: Given) -> bool:
    return name in MEANT_OFF and given[name] == MEANT_OFF[name][0]


def _log(given: Given) -> Iterator[Setting]:
    if "debug" in given:
        yield Setting("log_level", "DEBUG", "--debug")
    elif "no-syslog" not in given:
        facility = str(given.get("syslog-facility", "daemon"))
        yield Setting("syslog_facility", facility.lower(), "--syslog-facility", (SYSLOG,))
