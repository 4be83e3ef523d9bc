"""The options of each backend, as its own dataclass states them: a table that cannot rot."""

import pkgutil

from tests.markdown import code, table
from vipagent.config import catalog

KINDS = {
    "tls": "vipagent.store.access:TlsOptions",
    "zookeeper": "vipagent_zookeeper.options:ZooKeeperOptions",
    "etcd": "vipagent_etcd.options:EtcdOptions",
    "consul": "vipagent_consul.options:ConsulOptions",
}
"""Where each group of options is stated; only the one asked for is imported."""


def options(group: str) -> str:
    """Return a table of a group's own options: name, values, default, meaning."""
    kind = pkgutil.resolve_name(KINDS[group])
    rows = (
        [code(key.path), key.values, code(key.default), key.text]
        for key in catalog.options(kind, on_command_line=False)
        if key.path in kind.__annotations__
    )
    return table(["option", "takes", "default", "meaning"], rows)
