"""YAML loader that returns scalars as strings and leaves their types to the schema.

YAML 1.1 reads `65000:1` as a sexagesimal number, `on` as a boolean and `007` as 7. Therefore scalars stay as
written, as on a command line. Only the options under `store:` are typed, by the rules of YAML 1.2.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from vipagent.config.problems import ConfigError, Problem

MAX_BYTES = 4 * 1024 * 1024


class _TextLoader(yaml.SafeLoader):
    """Loader without implicit types that rejects duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping; PyYAML itself would silently keep the last of several equal keys."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":null"):
                raise yaml.constructor.ConstructorError(
                    None, None, "keys must be plain strings", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key.value}", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _TypedLoader(_TextLoader):
    """Loader that resolves booleans, integers and floats."""


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_TYPES = {
    "null": (r"|~|null", "~n"),
    "bool": (r"true|false", "tf"),
    "int": (r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
    "merge": (r"<<", "<"),
}
for _name, (_pattern, _first) in _TYPES.items():
    _TextLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}",
        re.compile(f"^(?:{_pattern})$"),
        [*_first, *([""] if _name == "null" else [])],
    )
for _name in ("bool", "int", "float"):
    _TextLoader.add_constructor(f"tag:yaml.org,2002:{_name}", _text)
    _TypedLoader.add_constructor(
        f"tag:yaml.org,2002:{_name}", yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{_name}"]
    )


def read(path: Path) -> dict[str, Any]:
    """Read a file whose top level is a mapping.

    Raises:
        ConfigError: the file is unreadable, empty, not valid YAML, or not a mapping.
    """
    data = parsed(path)
    if data is None:
        raise failure(path, "is empty: no services are configured")
    if not isinstance(data, dict):
        raise failure(path, "is not a mapping with the key services")
    return data


def parsed(path: Path) -> Any:
    """Read a YAML file with any top-level type.

    Raises:
        ConfigError: the file is unreadable or not valid YAML.
    """
    try:
        return _parse(content(path))
    except yaml.MarkedYAMLError as error:
        raise failure(path, _message(error)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise failure(path, f"is not valid YAML: {str(error).splitlines()[0]}") from None


def content(path: Path) -> bytes:
    """Read a file of at most `MAX_BYTES`.

    Raises:
        ConfigError: the file is unreadable or larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise failure(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise failure(path, f"is larger than {MAX_BYTES} bytes")
    return data


def failure(path: Path, text: str) -> ConfigError:
    """Return an error about a whole file."""
    return ConfigError([Problem(str(path), "", None, text)])


def _parse(text: bytes) -> Any:
    loader = _TextLoader(text)
    try:
        root = loader.get_single_node()
        data = None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()
    if isinstance(root, yaml.MappingNode) and isinstance(data, dict):
        for key, value in root.value:
            if key.value == "store":
                data["store"] = _TypedLoader("").construct_document(value)
    return data


def _message(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{error.problem or error.context or 'is not valid YAML'}"
