"""Load the configuration of an agent from a file or from command-line options, with one validation."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vipagent.config import document
from vipagent.config.problems import ConfigError, Location, Place, Problem, command_line
from vipagent.config.schema import AgentSection, ServiceSection
from vipagent.config.settings import AgentConfig
from vipagent.config.validation import ValidatedSection, check, keys, rule_violations, shared_vips
from vipagent.config.values import name, node_name
from vipagent.store.backend import StoreConfigError, StoreOptions
from vipagent.store.plugins import NullListener, load

TOP_LEVEL_STORE_KEYS = ("backend", "store", *(option.name for option in fields(StoreOptions)))
"""Keys of the store at the top level of a file."""
LISTEN_LIBRARY = "prometheus_client"
"""Library installed by the extra `listen`."""


@dataclass(slots=True)
class _Draft:
    """Configuration under validation: its sections and the problems found so far."""

    agent: ValidatedSection[AgentSection]
    place: Place
    node: str
    services: dict[str, ValidatedSection[ServiceSection]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_backend_valid: bool = True
    """Whether the backend accepts the store's options."""


def load_file(path: str | Path) -> AgentConfig:
    """Read a configuration file.

    Raises:
        ConfigError: the configuration is invalid; the error lists all problems of the file.
    """
    return _finish(_read(path))


def load_readable(path: str | Path) -> tuple[AgentConfig, tuple[Problem, ...]]:
    """Read from a configuration file what it takes to show the state of its services in the store.

    Returns:
        The store, and the services with only their VIPs; and all problems of the file. A service with a
        problem in its VIPs has none.

    Raises:
        ConfigError: the store cannot be told from the file; the error lists all problems.
    """
    draft = _read(path)
    problems = _problems(draft)
    if problems and not _is_store_readable(draft):
        raise ConfigError(problems)
    agent = draft.agent.section
    pools = {
        name: _readable_pool(draft.services.get(name)) for name in agent.services if not _name_error(name)
    }
    services = (
        ServiceSection(vip=pool).to_service_config(name, agent, draft.node) for name, pool in pools.items()
    )
    return agent.to_agent_config(tuple(services), draft.node), problems


def _is_store_readable(draft: _Draft) -> bool:
    """Return whether the store's keys are valid, and no unknown key could be a misspelt one of them."""
    known = {*keys(AgentSection), *keys(ServiceSection)}
    return draft.is_backend_valid and not any(
        key in TOP_LEVEL_STORE_KEYS or key not in known for key in draft.agent.broken
    )


def _readable_pool(service: ValidatedSection[ServiceSection] | None) -> tuple[str, ...]:
    if service is None or service.broken & {"vip", "auth_ip"}:
        return ()
    return tuple(dict.fromkeys(service.section.pool()))


def _read(path: str | Path) -> _Draft:
    given = document.read(Path(path))
    draft = _begin(given, Place(str(path)))
    services = draft.agent.section.services
    for service, section in services.items():
        _check_name(draft, ("services", service), service)
        _add_service(draft, service, section, draft.place.below("services", service))
    if not services and "services" not in draft.agent.broken:
        draft.problems.append(draft.place.problem(("services",), None, "no services are configured"))
    return draft


def load_options(given: Mapping[str, Any]) -> AgentConfig:
    """Load the configuration of one service from command-line options.

    Args:
        given: the options by name, with underscores; `service` is the service's name.

    Raises:
        ConfigError: the configuration is invalid; the problems refer to options, not to keys.
    """
    place = command_line()
    top = {key: value for key, value in given.items() if key in keys(AgentSection)}
    draft = _begin(top, place)
    service = {key: value for key, value in given.items() if key != "service" and key not in top}
    _check_name(draft, ("service",), given.get("service"))
    _add_service(draft, str(given.get("service")), service, place)
    return _finish(draft)


def load_store(given: Mapping[str, Any]) -> AgentConfig:
    """Load the connection to the store from command-line options; the result has no services.

    Raises:
        ConfigError: the options are invalid.
    """
    return _finish(_begin(given, command_line()))


def _begin(given: Mapping[str, Any], place: Place) -> _Draft:
    agent = check(AgentSection, given, place)
    draft = _Draft(agent, place, agent.section.node or socket.gethostname())
    draft.problems.extend(agent.problems)
    draft.problems.extend(_check_host_name(draft))
    backend_problems = list(_check_backend(draft))
    draft.is_backend_valid = not backend_problems
    draft.problems.extend(backend_problems)
    draft.problems.extend(_check_listen(draft))
    return draft


def _add_service(draft: _Draft, service: str, given: Any, place: Place) -> None:
    """Validate a service and add it to the draft."""
    if not isinstance(given, Mapping):
        draft.problems.append(
            draft.place.problem(("services", service), given, "is not a mapping (KEY: VALUE)")
        )
        return
    checked = check(ServiceSection, given, place)
    broken = checked.broken | (draft.agent.broken & {"node"})
    draft.services[service] = checked
    draft.problems.extend(checked.problems)
    draft.problems.extend(rule_violations(checked.section, draft.node, broken, place))


def _finish(draft: _Draft) -> AgentConfig:
    if problems := _problems(draft):
        raise ConfigError(problems)
    agent = draft.agent.section
    services = (
        checked.section.to_service_config(name, agent, draft.node) for name, checked in draft.services.items()
    )
    return agent.to_agent_config(tuple(services), draft.node)


def _problems(draft: _Draft) -> tuple[Problem, ...]:
    sections = {name: checked.section for name, checked in draft.services.items()}
    return (*draft.problems, *shared_vips(sections, draft.place))


def _check_name(draft: _Draft, location: Location, service: Any) -> None:
    if service is None:
        draft.problems.append(draft.place.problem(location, None, "is required"))
    elif error := _name_error(str(service)):
        draft.problems.append(draft.place.problem(location, service, error))


def _name_error(service: str) -> str:
    """Return why the name of a service is invalid; empty if it is valid."""
    try:
        name(service)
    except ValueError as error:
        return str(error)
    return ""


def _check_host_name(draft: _Draft) -> Iterator[Problem]:
    """Yield the problem with the host's name if it is used as the node's name and is invalid."""
    if draft.agent.section.node is not None or "node" in draft.agent.broken:
        return
    try:
        node_name(draft.node)
    except ValueError as error:
        yield draft.place.problem(("node",), draft.node, f"(this host's name) {error}")


def _check_listen(draft: _Draft) -> Iterator[Problem]:
    """Yield a problem if `listen` is set but its library is not installed."""
    listen = draft.agent.section.listen
    if listen is not None and find_spec(LISTEN_LIBRARY) is None:
        text = f"needs the library {LISTEN_LIBRARY}: install vipagent with its extra [listen]"
        yield draft.place.problem(("listen",), listen, text)


def _check_backend(draft: _Draft) -> Iterator[Problem]:
    """Yield the problems that the backend's constructor, which does no I/O, reports."""
    if "backend" in draft.agent.broken:
        return
    name = draft.agent.section.backend
    try:
        backend = load(name)
    except StoreConfigError as error:
        yield draft.place.problem(("backend",), name, str(error))
        return
    if draft.agent.broken & {"hosts", "store"}:
        return  # the backend cannot be checked with broken options
    try:
        backend(draft.agent.section.store_settings(draft.node), NullListener())
    except StoreConfigError as error:
        yield draft.place.problem(("store",), None, f"{name}: {error}")
