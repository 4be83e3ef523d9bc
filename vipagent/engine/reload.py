"""What another configuration changes, and what it cannot change (E3)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.engine.service import ServiceRuntime
from vipagent.exabgp import route


def check(before: AgentConfig, after: AgentConfig) -> None:
    """Refuse what needs a restart of the agent.

    Raises:
        ValueError: something else than the services and how they look has changed.
    """
    store = replace(after.store, instance=before.store.instance)
    if (after.backend, store) != (before.backend, before.store):
        raise ValueError("the node's name and the store's options change only with a restart of the agent")


def removed(services: Mapping[str, ServiceRuntime], wanted: Mapping[str, ServiceConfig]) -> Iterator[str]:
    """Yield the names of the services that go: those whose new routes would not replace the old ones, too."""
    for name, service in services.items():
        if name not in wanted or not route.replaces(wanted[name].routes, service.config.routes):
            yield name
