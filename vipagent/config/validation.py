"""From a mapping to a section: what is wrong with each value, then with several at once, in words."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from vipagent.config import addresses
from vipagent.config.problems import Location, Place, Problem
from vipagent.config.schema import AgentSection, ServiceSection
from vipagent.config.values import MAX32, Section
from vipagent.core.decision import lowest_rank
from vipagent.core.settings import ServiceSettings
from vipagent.net.tls import Verify

S = TypeVar("S", bound=Any)

_TEXTS = {
    "int_parsing": "is no whole number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "float_parsing": "is no number",
    "float_type": "is no number",
    "finite_number": "is no finite number",
    "greater_than": "is too small: more than {gt:g}",
    "greater_than_equal": "is too small: {ge:g} or more",
    "less_than_equal": "is too large: {le:.15g} or less",
    "enum": "is not one of {expected}",
    "literal_error": "is not one of {expected}",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "string_type": "is no text",
    "tuple_type": "is no list of values",
    "dict_type": "is no mapping (NAME: VALUE)",
    "dataclass_type": "is no mapping (KEY: VALUE)",
}


@dataclass(frozen=True, slots=True)
class Checked(Generic[S]):
    """A section, as far as it is good."""

    section: S
    broken: frozenset[str]
    """Keys with a problem: the section has their defaults, and rules about them say nothing."""
    problems: tuple[Problem, ...]


def check(schema: type[S], given: Mapping[str, Any], place: Place) -> Checked[S]:
    """Validate a section; what is bad in it is left out, so that the rest can be checked further."""
    adapter: TypeAdapter[S] = _adapter(schema)  # type: ignore[arg-type]  # hashable, whatever mypy says
    try:
        return Checked(adapter.validate_python(dict(given)), frozenset(), ())
    except ValidationError as error:
        errors = error.errors(include_url=False)
    order = [*(option.name for option in fields(schema)), *given]
    errors.sort(key=lambda found: order.index(str(found["loc"][0])))
    broken = frozenset(str(found["loc"][0]) for found in errors)
    good = {key: value for key, value in given.items() if key not in broken}
    problems = tuple(_problem(found, given, place, schema) for found in errors)
    return Checked(adapter.validate_python(good), broken, problems)


def _problem(found: ErrorDetails, given: Mapping[str, Any], place: Place, schema: type[Section]) -> Problem:
    location = _location(found["loc"], given)
    if found["type"] == "unexpected_keyword_argument":
        # Its value is not shown: a misspelt key may hold a secret.
        text = _instead(str(location[-1]), _section(schema, location[:-1]))
        return place.problem(location, None, f"unknown key{text}")
    if found["input"] is None:
        return place.problem(location, None, "has no value: give one, or leave the key out")
    return place.problem(location, found["input"], _text(found))


def _text(found: ErrorDetails) -> str:
    context = found.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    return _TEXTS.get(found["type"], found["msg"]).format(**context)


def _location(loc: Location, given: Any) -> Location:
    """Return pydantic's location without what is not in the file: tags, the index in a list of one."""
    parts: list[int | str] = []
    for part in loc:
        if isinstance(part, str) and (part == "[key]" or part.startswith("<")):
            continue
        if isinstance(part, int) and not isinstance(given, list | tuple):
            continue
        parts.append(part)
        given = _inside(given, part)
    return tuple(parts)


def _inside(given: Any, part: int | str) -> Any:
    try:
        return given[part]
    except (LookupError, TypeError):
        return None


def _section(schema: type[Section], location: Location) -> type[Section]:
    """Return the section at a location below another."""
    for part in location:
        inner = get_type_hints(schema).get(str(part))
        schema = inner if isinstance(inner, type) and issubclass(inner, Section) else schema
    return schema


def _instead(key: str, schema: type[Section]) -> str:
    """Say which key may have been meant, or where this one belongs."""
    if schema is AgentSection and key in keys(ServiceSection):
        return f": it belongs to a service (services: NAME: {key})"
    if schema is ServiceSection and key in keys(AgentSection):
        return ": it belongs to the top of the file, for all services"
    near = get_close_matches(key.replace("-", "_"), keys(schema), n=1)
    return f": did you mean {near[0]}?" if near else f": there are {', '.join(keys(schema))}"


def keys(schema: Any) -> list[str]:
    """Return the keys of a section in the order of the alphabet."""
    return sorted(option.name for option in fields(schema))


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


MAX_PATH = 255
"""AS numbers in one segment of an AS path (RFC 4271, 4.3)."""

Finding = tuple[Location, object, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check, and the keys without which it makes no sense."""

    about: frozenset[str]
    findings: Callable[[ServiceSection, str], Iterable[Finding]]


def broken_rules(
    service: ServiceSection, node: str, broken: frozenset[str], place: Place
) -> Iterator[Problem]:
    """Yield what is wrong with a service of which each value is good by itself.

    Args:
        service: the service; broken keys have their defaults.
        node: this node's name.
        broken: the keys that rules must leave alone (`node` may be one).
        place: where the service stands.
    """
    for rule in RULES:
        if not rule.about & broken:
            for location, value, text in rule.findings(service, node):
                yield place.problem(location, value, text)


def shared_vips(services: Mapping[str, ServiceSection], place: Place) -> Iterator[Problem]:
    """Yield the VIPs that more than one service has: only one of them could announce it."""
    seen: dict[str, str] = {}
    for name, service in services.items():
        for vip in sorted(set(service.pool()), key=addresses.order):
            first = seen.setdefault(vip, name)
            if first != name:
                text = f"is a VIP of the service {first}, too: a VIP belongs to one service"
                yield place.below("services").problem((name, "vip"), vip, text)


def _some_own(service: ServiceSection, _node: str) -> Iterator[Finding]:
    """Each node owns at least one VIP."""
    if not service.auth_ip and not isinstance(service.vip, dict):
        yield ("auth_ip",), None, "is missing: the VIP that this node owns"


def _own_entry(service: ServiceSection, node: str) -> Iterator[Finding]:
    """A mapping of nodes to VIPs says which VIPs are this node's."""
    if not isinstance(service.vip, dict):
        return
    entry = service.vip.get(node, ())
    if not entry:
        yield ("vip", node), None, f"is missing: the VIPs of this node (node: {node})"
    elif service.auth_ip and set(service.auth_ip) != set(entry):
        text = f"is not what vip says of {node}: {', '.join(entry)}; leave auth_ip out"
        yield ("auth_ip",), ", ".join(service.auth_ip), text


def _own_twice(service: ServiceSection, _node: str) -> Iterator[Finding]:
    for vip in _repeated(service.auth_ip):
        yield ("auth_ip",), vip, "is there twice"


def _twice(service: ServiceSection, _node: str) -> Iterator[Finding]:
    named = service.vip
    if not isinstance(named, dict):
        for vip in _repeated(named):
            yield ("vip",), vip, "is there twice"
        return
    for vip in _repeated(vip for vips in named.values() for vip in vips):
        owners = ", ".join(node for node, vips in named.items() if vip in vips)
        yield ("vip",), vip, f"is there twice ({owners}): a VIP has one owner"


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _prepending(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.prepend and service.local_as is None:
        yield ("prepend",), service.prepend, "needs local_as: the AS number to put in front of the path"


def _longest_path(service: ServiceSection, _node: str) -> Iterator[Finding]:
    longest = service.prepend * _lowest_rank(service) + 1
    if longest > MAX_PATH:
        text = f"makes a path of {longest} AS numbers at the lowest rank: {MAX_PATH} is the most"
        yield ("prepend",), service.prepend, text


def _worst_med(service: ServiceSection, _node: str) -> Iterator[Finding]:
    worst = service.med + service.med_step * _lowest_rank(service)
    if worst > MAX32:
        text = f"makes a MED of {worst} at the lowest rank: {MAX32} is the most"
        yield ("med_step",), service.med_step, text


def _next_hops(service: ServiceSection, _node: str) -> Iterator[Finding]:
    given = [hop for hop in service.next_hop if hop != "self"]
    versions = [addresses.version(hop) for hop in given]
    if len(given) != len(service.next_hop) and len(service.next_hop) > 1:
        yield (
            ("next_hop",),
            "self",
            "stands alone, or is left out: it is what a family without an address has",
        )
    for version in {version for version in versions if versions.count(version) > 1}:
        both = ", ".join(hop for hop in given if addresses.version(hop) == version)
        yield ("next_hop",), both, f"are two of one family: one IPv{version} address at most"


def _useless_next_hops(service: ServiceSection, _node: str) -> Iterator[Finding]:
    families = {addresses.version(vip) for vip in service.pool()}
    for hop in service.next_hop:
        if hop != "self" and families and addresses.version(hop) not in families:
            yield ("next_hop",), hop, f"is of no use: the service has no IPv{addresses.version(hop)} VIP"


def _one_check(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.command is not None and service.check is not None:
        yield ("check",), service.check, "is there beside command: one or the other"


def _verified_check(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.check_verify is not Verify.YES and not (service.check or "").lower().startswith("https:"):
        text = "has no effect: it is for a check with an https:// URL"
        yield ("check_verify",), service.check_verify.value, text


def _lowest_rank(service: ServiceSection) -> int:
    owners = service.owners()
    return lowest_rank(ServiceSettings("", "", (), owners, takeover=service.takeover, settle=0.0))


RULES = (
    Rule(frozenset({"auth_ip", "vip"}), _some_own),
    Rule(frozenset({"auth_ip", "vip", "node"}), _own_entry),
    Rule(frozenset({"auth_ip"}), _own_twice),
    Rule(frozenset({"vip"}), _twice),
    Rule(frozenset({"prepend", "local_as"}), _prepending),
    Rule(frozenset({"prepend", "auth_ip", "vip", "takeover"}), _longest_path),
    Rule(frozenset({"med", "med_step", "auth_ip", "vip", "takeover"}), _worst_med),
    Rule(frozenset({"next_hop"}), _next_hops),
    Rule(frozenset({"next_hop", "auth_ip", "vip"}), _useless_next_hops),
    Rule(frozenset({"command", "check"}), _one_check),
    Rule(frozenset({"check", "check_verify"}), _verified_check),
)
