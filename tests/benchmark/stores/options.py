"""Tables of backend options, generated from the dataclasses that define them."""

import pkgutil

from tests.markdown import code, table
from vipagent.config import catalog

KINDS = {
    "tls": "vipagent.store.access:TlsOptions",
    "zookeeper": "vipagent_zookeeper.options:ZooKeeperOptions",
    "etcd": "vipagent_etcd.options:EtcdOptions",
    "consul": "vipagent_consul.options:ConsulOptions",
}
"""Class of each group of options; only the requested one is imported."""


def options(group: str) -> str:
    """Return a table of a group's options without inherited ones: name, values, default, meaning."""
    kind = pkgutil.resolve_name(KINDS[group])
    rows = (
        [code(key.path), key.values, code(key.default), key.text]
        for key in catalog.options(kind, on_command_line=False)
        if key.path in kind.__annotations__
    )
    return table(["option", "takes", "default", "meaning"], rows)
