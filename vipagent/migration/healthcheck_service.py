"""One healthcheck as one of our services."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network

from vipagent.config.problems import Problem
from vipagent.migration.draft import Instance, Reading, Remark, Setting, Weight
from vipagent.migration.options import Given

MANY = 1024
"""Addresses that networks may be taken apart to."""

SAME = (
    "interval", "fast-interval", "timeout", "rise", "fall", "disable", "command",
    "next-hop", "local-preference", "community", "extended-community", "large-community", "path-id",
    "execute", "up-execute", "down-execute", "disabled-execute",
)  # fmt: skip
"""Options that are ours, too."""
MEANT_OFF = {
    "interval": ("0", "interval was 0: healthcheck ended after its first announcement. vipagent checks on."),
    "timeout": ("0", "timeout was 0: a check could take for ever. Here it has 5 s, or what timeout says."),
    "local-preference": ("-1", "local-preference was -1: none."),
    "path-id": ("0", "path-id was 0: none."),
    "rise": ("0", "rise was 0: as 1, which you can say here, too."),
    "fall": ("0", "fall was 0: as 1, which you can say here, too."),
}
"""Values that healthcheck takes for something else: they are left out, with a remark."""

LOOKED_AT = (
    "name", "config", "ip", "start-ip", "deaggregate-networks", "up-metric", "increase", "neighbor",
    "no-ip-setup", "debug", "syslog-facility", "no-syslog",
)  # fmt: skip
"""Options that come to something by themselves, or together with others."""

_BY_EXABGP = "ExaBGP says as which user its processes run (exabgp_daemon_user)"
_DOWN = "A service that is down or disabled is withdrawn here, and the others take it over"
_PATH = "Here the AS path follows from the rank: prepend and local_as"
REMARKS = {
    "silent": Remark("silent: the log goes to stderr, which ExaBGP passes on or drops."),
    "no-ack": Remark("no-ack needs no counterpart: replies are read if ExaBGP sends any."),
    "debounce": Remark("debounce needs no counterpart: only changes are ever written to ExaBGP."),
    "withdraw-on-down": Remark("withdraw-on-down needs no counterpart: it is always so."),
    "pid": Remark("pid: no such file is written; ExaBGP starts the agent and knows its pid."),
    "sudo": Remark(f"sudo: for ip_setup the agent needs CAP_NET_ADMIN. {_BY_EXABGP}.", Weight.TODO),
    "user": Remark(f"user: the agent changes no user. {_BY_EXABGP}.", Weight.TODO),
    "group": Remark(f"group: the agent changes no group. {_BY_EXABGP}.", Weight.TODO),
    "label": Remark("label: addresses on the loopback interface get none here."),
    "label-exact-match": Remark("label-exact-match: addresses get no label here."),
    "ip-ifname": Remark(
        "ip-ifname: ip_setup knows the loopback interface only. Set up addresses elsewhere by other means.",
        Weight.TODO,
    ),
    "dynamic-ip-setup": Remark(
        "dynamic-ip-setup: with ip_setup the addresses stay while the service is down. Remove them with "
        "down_execute and disabled_execute, add them with up_execute, if something depends on it.",
        Weight.TODO,
    ),
    "down-metric": Remark(f"down-metric: {_DOWN}."),
    "disabled-metric": Remark(f"disabled-metric: {_DOWN}."),
    "disabled-community": Remark(
        f"disabled-community: {_DOWN}. A node that is drained sends GRACEFUL_SHUTDOWN (RFC 8326)."
    ),
    "as-path": Remark(f"as-path: {_PATH}.", Weight.TODO),
    "up-as-path": Remark(f"up-as-path: {_PATH}.", Weight.TODO),
    "down-as-path": Remark(f"down-as-path: {_DOWN}."),
    "disabled-as-path": Remark(f"disabled-as-path: {_DOWN}."),
}
"""Options without a counterpart."""

ALONE = Remark(
    "vip: add the VIPs that the other nodes own; the list is the same on every node. A VIP that several "
    "nodes announced has one owner here: give it as auth_ip on that node alone.",
    Weight.TODO,
)
FIRST = Remark(
    "healthcheck announced all of these, this one with the best metric. Each has one owner here: give "
    "every node its own auth_ip, and the same vip.",
    Weight.TODO,
)
HOT = Remark("As before, every node announces every VIP, its owner with the best MED.")
HOOKS = Remark("execute ran for RISING and FALLING, too; here it runs for UP, DOWN and DISABLED.")
DOWN = Remark(f"{_DOWN}; healthcheck announced it with a worse metric.")
STORE = Remark(
    "healthcheck knew no store. `file` is a directory that one machine's agents share: for several nodes "
    "give backend and hosts (`vipagent backends` has a list), the same on every node.",
    Weight.TODO,
)
SYSLOG = Remark("healthcheck logs to syslog unless told otherwise.")


def instance(where: str, process: str, given: Given) -> Reading:
    """Return the service of one healthcheck.

    Args:
        where: its file, for messages.
        process: the name for one that has none of its own.
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
        service=(*_routes(given, ips), *_kept(given)),
        remarks=(*renamed, *down, *_remarks(given)),
    )
    return Reading((found,))


def _ips(given: Mapping[str, str | list[str]]) -> list[str]:
    """Return the addresses in the order of their metrics.

    Raises:
        ValueError: there are none, or they cannot be understood.
    """
    named = given.get("ip")
    if not isinstance(named, list):
        label = f" with the label {given['label']}" if "label" in given else ""
        raise ValueError(
            f"is missing, so healthcheck takes the addresses on the loopback interface{label}: "
            "see `ip -o address show dev lo`, give each as an ip, and import again"
        )
    ips = deque(_apart(named) if "deaggregate-networks" in given else named)
    try:
        ips.rotate(-int(str(given.get("start-ip", "0"))))
    except ValueError:
        raise ValueError(f"cannot be put in order: start-ip {given['start-ip']!r} is not a number") from None
    return list(dict.fromkeys(ips))


def _apart(named: Iterable[str]) -> list[str]:
    networks = [ip_network(text) for text in named]
    total = sum(network.num_addresses for network in networks)
    if total > MANY:
        raise ValueError(f"names {total} addresses, deaggregated: {MANY} are the most")
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


def _kept(given: Given) -> Iterator[Setting]:
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
