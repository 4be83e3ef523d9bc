"""From a mapping to a section of the schema: pydantic's findings, in an operator's words."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from vipagent.config.problems import Location, Place, Problem
from vipagent.config.schema import AgentSection, ServiceSection
from vipagent.config.values import Section

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
