"""Validate a mapping against a section: single values first, then rules that combine several keys."""

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
from vipagent.config.values import MAX_UINT32, Section
from vipagent.core.decision import lowest_rank
from vipagent.core.settings import ServiceSettings
from vipagent.net.tls import Verify

S = TypeVar("S", bound=Any)

_TEXTS = {
    "int_parsing": "is not an integer",
    "int_type": "is not an integer",
    "int_from_float": "is not an integer",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "greater_than": "is too small: must be greater than {gt:g}",
    "greater_than_equal": "is too small: minimum is {ge:g}",
    "less_than_equal": "is too large: maximum is {le:.15g}",
    "enum": "is not one of {expected}",
    "literal_error": "is not one of {expected}",
    "bool_parsing": "is not a boolean (true or false)",
    "bool_type": "is not a boolean (true or false)",
    "string_type": "is not a string",
    "tuple_type": "is not a list of values",
    "dict_type": "is not a mapping (NAME: VALUE)",
    "dataclass_type": "is not a mapping (KEY: VALUE)",
}


@dataclass(frozen=True, slots=True)
class ValidatedSection(Generic[S]):
    """A section with its valid values."""

    section: S
    broken: frozenset[str]
    """Keys with a problem: the section has their defaults, and rules about them are skipped."""
    problems: tuple[Problem, ...]


def check(schema: type[S], given: Mapping[str, Any], place: Place) -> ValidatedSection[S]:
    """Validate a section; replace invalid values with defaults, so that the other keys are checked too."""
    adapter: TypeAdapter[S] = _adapter(schema)  # type: ignore[arg-type]  # hashable at run time
    try:
        return ValidatedSection(adapter.validate_python(dict(given)), frozenset(), ())
    except ValidationError as error:
        errors = error.errors(include_url=False)
    order = [*(option.name for option in fields(schema)), *given]
    errors.sort(key=lambda found: order.index(str(found["loc"][0])))
    broken = frozenset(str(found["loc"][0]) for found in errors)
    good = {key: value for key, value in given.items() if key not in broken}
    problems = tuple(_problem(found, given, place, schema) for found in errors)
    return ValidatedSection(adapter.validate_python(good), broken, problems)


def _problem(found: ErrorDetails, given: Mapping[str, Any], place: Place, schema: type[Section]) -> Problem:
    location = _location(found["loc"], given)
    if found["type"] == "unexpected_keyword_argument":
        # The value is not shown: a misspelt key may hold a secret.
        text = _suggestion(str(location[-1]), _section(schema, location[:-1]))
        return place.problem(location, None, f"unknown key{text}")
    if found["input"] is None:
        return place.problem(location, None, "has no value: set one or remove the key")
    return place.problem(location, found["input"], _text(found))


def _text(found: ErrorDetails) -> str:
    context = found.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    return _TEXTS.get(found["type"], found["msg"]).format(**context)


def _location(loc: Location, given: Any) -> Location:
    """Return pydantic's location without elements absent from the file: tags, the index of a single value."""
    parts: list[int | str] = []
    for part in loc:
        if isinstance(part, str) and (part == "[key]" or part.startswith("<")):
            continue
        if isinstance(part, int) and not isinstance(given, list | tuple):
            continue
        parts.append(part)
        given = _child(given, part)
    return tuple(parts)


def _child(given: Any, part: int | str) -> Any:
    try:
        return given[part]
    except (LookupError, TypeError):
        return None


def _section(schema: type[Section], location: Location) -> type[Section]:
    """Return the schema of the subsection at a location."""
    for part in location:
        inner = get_type_hints(schema).get(str(part))
        schema = inner if isinstance(inner, type) and issubclass(inner, Section) else schema
    return schema


def _suggestion(key: str, schema: type[Section]) -> str:
    """Return a hint for an unknown key: a similar key, or the section that it belongs to."""
    if schema is AgentSection and key in keys(ServiceSection):
        return f": set it in a service (services: NAME: {key})"
    if schema is ServiceSection and key in keys(AgentSection):
        return ": set it at the top level, for all services"
    near = get_close_matches(key.replace("-", "_"), keys(schema), n=1)
    return f": did you mean {near[0]}?" if near else f": valid keys are {', '.join(keys(schema))}"


def keys(schema: Any) -> list[str]:
    """Return the keys of a section in alphabetical order."""
    return sorted(option.name for option in fields(schema))


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


MAX_PATH_LENGTH = 255
"""Maximum number of ASes in one segment of an AS path (RFC 4271, 4.3)."""

Finding = tuple[Location, object, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and the keys that it requires to be valid."""

    about: frozenset[str]
    findings: Callable[[ServiceSection, str], Iterable[Finding]]


def rule_violations(
    service: ServiceSection, node: str, broken: frozenset[str], place: Place
) -> Iterator[Problem]:
    """Yield the problems of a service whose keys contradict each other.

    Args:
        service: the service; broken keys have their defaults.
        node: this node's name.
        broken: invalid keys, possibly `node`; rules about them are skipped.
        place: the location of the service.
    """
    for rule in SERVICE_RULES:
        if not rule.about & broken:
            for location, value, text in rule.findings(service, node):
                yield place.problem(location, value, text)


def shared_vips(services: Mapping[str, ServiceSection], place: Place) -> Iterator[Problem]:
    """Yield a problem for each VIP of more than one service: only one of them could announce it."""
    seen: dict[str, str] = {}
    for name, service in services.items():
        for vip in sorted(set(service.pool()), key=addresses.order):
            first = seen.setdefault(vip, name)
            if first != name:
                text = f"is already a VIP of service {first}: a VIP belongs to one service"
                yield place.below("services").problem((name, "vip"), vip, text)


def _require_owned_vip(service: ServiceSection, _node: str) -> Iterator[Finding]:
    """Require at least one VIP owned by this node."""
    if not service.auth_ip and not isinstance(service.vip, dict):
        yield ("auth_ip",), None, "is required: this node must own at least one VIP"


def _check_node_entry(service: ServiceSection, node: str) -> Iterator[Finding]:
    """Require an entry for this node in a mapping of nodes to VIPs, and reject a different `auth_ip`."""
    if not isinstance(service.vip, dict):
        return
    entry = service.vip.get(node, ())
    if not entry:
        yield ("vip", node), None, f"no VIPs are configured for this node (node: {node})"
    elif service.auth_ip and set(service.auth_ip) != set(entry):
        text = f"differs from vip.{node} ({', '.join(entry)}): remove auth_ip"
        yield ("auth_ip",), ", ".join(service.auth_ip), text


def _reject_duplicate_owned_vips(service: ServiceSection, _node: str) -> Iterator[Finding]:
    for vip in _repeated(service.auth_ip):
        yield ("auth_ip",), vip, "is listed twice"


def _reject_duplicate_vips(service: ServiceSection, _node: str) -> Iterator[Finding]:
    named = service.vip
    if not isinstance(named, dict):
        for vip in _repeated(named):
            yield ("vip",), vip, "is listed twice"
        return
    for vip in _repeated(vip for vips in named.values() for vip in vips):
        owners = ", ".join(node for node, vips in named.items() if vip in vips)
        yield ("vip",), vip, f"is listed twice ({owners}): a VIP has one owner"


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _require_local_as(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.prepend and service.local_as is None:
        yield ("prepend",), service.prepend, "requires local_as, the AS number to prepend"


def _limit_path_length(service: ServiceSection, _node: str) -> Iterator[Finding]:
    longest = service.prepend * _lowest_rank(service) + 1
    if longest > MAX_PATH_LENGTH:
        text = f"gives an AS path of length {longest} at the lowest rank: maximum is {MAX_PATH_LENGTH}"
        yield ("prepend",), service.prepend, text


def _limit_med(service: ServiceSection, _node: str) -> Iterator[Finding]:
    worst = service.med + service.med_step * _lowest_rank(service)
    if worst > MAX_UINT32:
        text = f"gives a MED of {worst} at the lowest rank: maximum is {MAX_UINT32}"
        yield ("med_step",), service.med_step, text


def _next_hops(service: ServiceSection, _node: str) -> Iterator[Finding]:
    given = [hop for hop in service.next_hop if hop != "self"]
    versions = [addresses.version(hop) for hop in given]
    if len(given) != len(service.next_hop) and len(service.next_hop) > 1:
        yield (
            ("next_hop",),
            "self",
            "cannot be combined with addresses",
        )
    for version in {version for version in versions if versions.count(version) > 1}:
        both = ", ".join(hop for hop in given if addresses.version(hop) == version)
        yield ("next_hop",), both, f"are of the same family: at most one IPv{version} address is allowed"


def _reject_unused_next_hops(service: ServiceSection, _node: str) -> Iterator[Finding]:
    families = {addresses.version(vip) for vip in service.pool()}
    for hop in service.next_hop:
        if hop != "self" and families and addresses.version(hop) not in families:
            yield ("next_hop",), hop, f"has no effect: the service has no IPv{addresses.version(hop)} VIP"


def _reject_two_checks(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.command is not None and service.check is not None:
        yield ("check",), service.check, "is mutually exclusive with command"


def _check_verify_needs_https(service: ServiceSection, _node: str) -> Iterator[Finding]:
    if service.check_verify is not Verify.YES and not (service.check or "").lower().startswith("https:"):
        text = "has no effect: it requires a check with an https:// URL"
        yield ("check_verify",), service.check_verify.value, text


def _lowest_rank(service: ServiceSection) -> int:
    owners = service.owners()
    return lowest_rank(ServiceSettings("", "", (), owners, takeover=service.takeover, settle=0.0))


SERVICE_RULES = (
    Rule(frozenset({"auth_ip", "vip"}), _require_owned_vip),
    Rule(frozenset({"auth_ip", "vip", "node"}), _check_node_entry),
    Rule(frozenset({"auth_ip"}), _reject_duplicate_owned_vips),
    Rule(frozenset({"vip"}), _reject_duplicate_vips),
    Rule(frozenset({"prepend", "local_as"}), _require_local_as),
    Rule(frozenset({"prepend", "auth_ip", "vip", "takeover"}), _limit_path_length),
    Rule(frozenset({"med", "med_step", "auth_ip", "vip", "takeover"}), _limit_med),
    Rule(frozenset({"next_hop"}), _next_hops),
    Rule(frozenset({"next_hop", "auth_ip", "vip"}), _reject_unused_next_hops),
    Rule(frozenset({"command", "check"}), _reject_two_checks),
    Rule(frozenset({"check", "check_verify"}), _check_verify_needs_https),
)
