"""Converts ExaZK's configuration: a YAML file, or the command lines of an `exabgp.conf`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipagent.config import document
from vipagent.config.problems import Problem
from vipagent.migration import exabgp_conf
from vipagent.migration.draft import Instance, Reading, Remark, Setting, Weight
from vipagent.migration.options import ForeignOption, OptionArgument, parse

NEEDED = ("zk_hosts", "zk_path_service", "srv_auth_ip")
EXAZK_KEYS = (
    *NEEDED, "zk_path_maintenance", "debug", "silent", "syslog", "syslog_facility",
    "local_check", "srv_name", "srv_non_auth_ips",
)  # fmt: skip
LISTS = ("zk_hosts", "srv_non_auth_ips")
EXAZK_OPTIONS = (
    ForeignOption("config", ("--config", "-f")),
    ForeignOption("debug", ("--debug", "-d"), OptionArgument.NONE),
    ForeignOption("silent", ("--silent", "-s"), OptionArgument.NONE),
    ForeignOption("syslog", ("--no-syslog",), OptionArgument.NONE, const="false"),
    ForeignOption("syslog_facility", ("--syslog-facility", "-sF"), OptionArgument.OPTIONAL, const="daemon"),
    ForeignOption("zk_hosts", ("--zk-host", "--zk-hosts", "-zH"), OptionArgument.REPEATED),
    ForeignOption("zk_path_service", ("--zk-path-service", "-zPS")),
    ForeignOption("zk_path_maintenance", ("--zk-path-maintenance", "-zPM")),
    ForeignOption("local_check", ("--local-check", "-c")),
    ForeignOption("srv_name", ("--name", "-n")),
    ForeignOption("srv_auth_ip", ("--auth-ip", "-A")),
    ForeignOption("srv_non_auth_ips", ("--non-auth-ip", "-N"), OptionArgument.REPEATED),
)
_EXAZK_PROGRAM = re.compile(r"(^|/)exazk(\.\w+)?$")
_TRUE = frozenset({"true", "yes", "on"})

CHECK = Remark(
    "ExaZK ran its check every 10 s with a timeout of 1 s, and used every single result. "
    "vipagent: interval, fast_interval, rise and fall, with the defaults 5 s, 1 s, 3 and 3."
)
BGP = Remark(
    "ExaZK kept its registration without BGP. With this gate the VIP is registered only while BGP is "
    "established; `neighbor-changes;` in the neighbour's `api` block reduces the reaction time of 2 s."
)
STORE_LOSS = Remark(
    "ExaZK withdrew all VIPs when it lost ZooKeeper. vipagent keeps them; set on_store_loss: withdraw "
    "for ExaZK's behaviour."
)
SILENT = Remark("silent: true has no counterpart. The log goes to stderr, which ExaBGP forwards or drops.")
NO_CHECK = Remark("local_check is missing, so nothing is checked: set command or check.", Weight.TODO)


@dataclass(frozen=True, slots=True)
class _Tree:
    """Location of ExaZK's keys."""

    prefix: str
    service: str
    hosts: tuple[str, ...]


def read(path: Path) -> Reading:
    """Read an ExaZK YAML file, or the ExaZK processes of an `exabgp.conf`.

    Raises:
        ConfigError: it cannot be read.
    """
    if not exabgp_conf.is_exabgp(exabgp_conf.content(path)):
        return _read_yaml(path)
    found = exabgp_conf.readings(
        path,
        _EXAZK_PROGRAM,
        lambda process, words: _read_words(f"{path}, process {process.name}", path, words),
    )
    if not (found.instances or found.problems):
        raise document.failure(path, "has no process that runs exazk")
    return found


def _read_yaml(path: Path) -> Reading:
    given = document.parsed(path)
    if not isinstance(given, dict):
        raise document.failure(path, "is not an ExaZK configuration: expected KEY: VALUE with srv_auth_ip")
    return _reading(str(path), given)


def _read_words(where: str, path: Path, words: Any) -> Reading:
    try:
        given = parse(EXAZK_OPTIONS, words)
    except ValueError as error:
        return Reading((), (Problem(where, "", None, str(error)),))
    if "config" not in given:
        return _reading(where, given)
    # Like in ExaZK, a file overrides the options.
    cancelled = ", ".join(sorted(given.keys() - {"config"}))
    text = f"Options in addition to --config, which ExaZK ignored: {cancelled}."
    found = read(path.parent / str(given["config"]))
    return found.remarked((Remark(text, Weight.TODO),)) if cancelled else found


def _reading(where: str, given: Mapping[str, Any]) -> Reading:
    problems = tuple(_shape_problems(where, given))
    if problems:
        return Reading((), problems)
    tree = _tree(given)
    if tree is None:
        text = (
            "is not PREFIX/service/NAME, which vipagent requires. "
            "Move ExaZK to such a path first, on all nodes"
        )
        return Reading((), (Problem(where, "zk_path_service", given["zk_path_service"], text),))
    return Reading((_instance(where, given, tree),))


def _shape_problems(where: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield errors of keys, and of values with a wrong type."""
    for key, value in given.items():
        plain = isinstance(value, str) or (
            key in LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value)
        )
        if key not in EXAZK_KEYS:
            yield Problem(where, str(key), None, f"is not an ExaZK key; valid keys: {', '.join(EXAZK_KEYS)}")
        elif value is None:
            yield Problem(where, key, None, "has no value")
        elif not plain:
            yield Problem(
                where, key, value, "is not a list of strings" if key in LISTS else "is not a scalar"
            )
    for key in NEEDED:
        if key not in given:
            yield Problem(where, key, None, "is missing")


def _tree(given: Mapping[str, Any]) -> _Tree | None:
    """Return the location of the keys, including the chroot in kazoo's hosts."""
    hosts, _, chroot = ",".join(_listed(given["zk_hosts"])).partition("/")
    path = f"/{chroot.strip('/')}/{given['zk_path_service'].strip('/')}".replace("//", "/")
    found = re.fullmatch(r"(/.+)/service/([^/]+)", path)
    return _Tree(found[1], found[2], tuple(re.split(r"[, ]+", hosts))) if found else None


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _instance(where: str, given: Mapping[str, Any], tree: _Tree) -> Instance:
    node, remarks = _node(given, tree)
    name = given.get("srv_name", tree.service)
    if name != tree.service:
        text = f"ExaZK called this service {name} in its log; vipagent uses the name from its ZooKeeper path."
        remarks = (*remarks, Remark(text))
    if _true(given, "silent"):
        remarks = (*remarks, SILENT)
    if "local_check" not in given:
        remarks = (*remarks, NO_CHECK)
    return Instance(
        where=where,
        name=tree.service,
        top=(*node, *_store(tree), *_log(given)),
        service=tuple(_service(given)),
        remarks=(STORE_LOSS, *remarks),
    )


def _node(given: Mapping[str, Any], tree: _Tree) -> tuple[tuple[Setting, ...], tuple[Remark, ...]]:
    """Return the node name, which ExaZK has only as the last component of its maintenance key."""
    ours = f"{tree.prefix}/maintenance/{tree.service}"
    theirs = given.get("zk_path_maintenance", "").rstrip("/")
    chroot = ",".join(_listed(given["zk_hosts"])).partition("/")[2].strip("/")
    full = f"/{chroot}{theirs}" if chroot else theirs
    directory, _, node = full.rpartition("/")
    if directory == ours and node != "all":
        remark = Remark("The last component of ExaZK's zk_path_maintenance: both use the same key.")
        return (Setting("node", node, "zk_path_maintenance", (remark,)),), ()
    left_out = "The files contain no node name, so the host name is used: set node if it is not unique."
    return (), (Remark(left_out, Weight.TODO), *_other_key(theirs, full, ours))


def _other_key(theirs: str, full: str, ours: str) -> Iterator[Remark]:
    """Yield remarks about a different maintenance key of ExaZK."""
    if full == ours:
        yield Remark(
            f"DANGER while an ExaZK remains: {theirs} is its maintenance key, and the directory of ours. "
            "`vipagent maintenance on` creates it permanently: then every ExaZK withdraws its VIPs. Set "
            f"{theirs}/NODE for each ExaZK first.",
            Weight.TODO,
        )
    elif theirs:
        yield Remark(
            f"ExaZK's maintenance key was {theirs}; vipagent uses {ours}/NODE, and {ours}/all for all nodes. "
            "While both run, set both.",
            Weight.TODO,
        )


def _store(tree: _Tree) -> Iterator[Setting]:
    yield Setting("backend", "zookeeper", "zk_hosts")
    yield Setting("hosts", tree.hosts, "zk_hosts")
    yield Setting("prefix", tree.prefix, "zk_path_service")


def _log(given: Mapping[str, Any]) -> Iterator[Setting]:
    if _true(given, "debug"):
        yield Setting("log_level", "DEBUG", "debug")
    elif _true(given, "syslog"):
        yield Setting("syslog_facility", given.get("syslog_facility", "daemon").lower(), "syslog_facility")


def _true(given: Mapping[str, Any], key: str) -> bool:
    return given.get(key, "true" if key == "syslog" else "false").lower() in _TRUE


def _service(given: Mapping[str, Any]) -> Iterator[Setting]:
    own, others = given["srv_auth_ip"], _listed(given.get("srv_non_auth_ips", []))
    yield Setting("auth_ip", own, "srv_auth_ip")
    yield Setting("vip", tuple(dict.fromkeys((own, *others))), "srv_non_auth_ips")
    yield Setting(
        "takeover", "all", "srv_non_auth_ips", (Remark("Like ExaZK: all surviving nodes announce."),)
    )
    yield Setting("med", "100", "srv_auth_ip")
    yield Setting("med_step", "100", "srv_non_auth_ips")
    yield Setting("require_bgp", "1", "srv_auth_ip", (BGP,))
    if "local_check" in given:
        yield Setting("command", given["local_check"], "local_check", (CHECK,))
        yield Setting("timeout", "1", "local_check")
