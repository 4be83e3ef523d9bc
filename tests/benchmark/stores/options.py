"""The options of each backend, as its own dataclass says them: a table that cannot rot."""

import ast
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from enum import Enum
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tests.markdown import table

KINDS = {
    "tls": "vipagent.store.access:TlsOptions",
    "zookeeper": "vipagent_zookeeper.options:ZooKeeperOptions",
    "etcd": "vipagent_etcd.options:EtcdOptions",
    "consul": "vipagent_consul.options:ConsulOptions",
}
"""Where each group of options is written down; only the one asked for is imported."""
VALUES = {"Path": "file", "str": "text", "bool": "`true`, `false`", "int": "number"}


def options(group: str) -> str:
    """Return a table of a group's own options: name, values, default, meaning."""
    kind = pkgutil.resolve_name(KINDS[group])
    meanings, hints = dict(_documented(kind)), get_type_hints(kind)
    rows = (
        [f"`{field.name}`", _values(hints[field.name]), _default(field), meanings[field.name]]
        for field in fields(kind)
        if field.name in kind.__annotations__
    )
    return table(["option", "value", "default", "meaning"], rows)


def _documented(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield each field's name with what stands below it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                yield name, " ".join(said.split())


def _values(hint: Any) -> str:
    if get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, Enum)):
        return ", ".join(f"`{choice}`" for choice in get_args(hint) or hint)
    choices = [part for part in get_args(hint) if part is not type(None)]
    return _values(choices[0]) if choices else VALUES[hint.__name__]


def _default(field: Field[Any]) -> str:
    if field.default in {None, ""}:
        return ""
    shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return f"`{shown}`"
