"""From validated sections to the plain settings that the agent takes."""

import secrets

from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.config import addresses, pool
from vipagent.config.schema import AgentSection, RoleSection, ServiceSection
from vipagent.config.settings import ListenSettings, LogSettings, ServiceConfig
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.core.words import CheckState
from vipagent.exabgp.route import RoleAttributes, RouteSettings
from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import StoreSettings

INSTANCE = secrets.token_hex(8)
"""This run of the agent, however often it reads its configuration."""


def store(agent: AgentSection, node: str) -> StoreSettings:
    """Return how to reach the store."""
    return StoreSettings(
        node=node,
        instance=INSTANCE,
        hosts=agent.hosts,
        prefix=agent.prefix,
        session_timeout=agent.session_timeout,
        options=agent.store,
    )


def log(agent: AgentSection) -> LogSettings:
    """Return what is logged, and how."""
    return LogSettings(level=agent.log_level, format=agent.log_format, syslog_facility=agent.syslog_facility)


def listen(agent: AgentSection) -> ListenSettings | None:
    """Return where to listen, if anywhere."""
    if agent.listen is None:
        return None
    return ListenSettings(*Endpoint.parse(agent.listen, 0))


def service(name: str, given: ServiceSection, agent: AgentSection, node: str) -> ServiceConfig:
    """Return one service."""
    return ServiceConfig(
        core=_core(name, given, agent, node),
        routes=_routes(given),
        check=CheckSettings(
            command=given.command,
            url=given.check,
            interval=given.interval,
            fast_interval=given.fast_interval,
            timeout=given.timeout,
            disable=given.disable,
            verify=given.check_verify,
        ),
        hooks=_hooks(given),
        ip_setup=given.ip_setup,
    )


def _core(name: str, given: ServiceSection, agent: AgentSection, node: str) -> ServiceSettings:
    hold = given.flap_hold
    return ServiceSettings(
        name=name,
        node=node,
        owned=pool.owned(given, node),
        seats=pool.seats(given),
        takeover=given.takeover,
        standby=given.standby,
        on_store_loss=given.on_store_loss,
        start_grace=given.start_grace,
        settle=agent.session_timeout if given.settle is None else given.settle,
        release_delay=given.release_delay,
        drain_delay=given.drain_delay,
        require_bgp=given.require_bgp,
        rise=given.rise,
        fall=given.fall,
        flap_hold=FlapHold(hold.seconds, hold.count, hold.window),
    )


def _routes(given: ServiceSection) -> RouteSettings:
    hops = {addresses.version(hop): hop for hop in given.next_hop if hop != "self"}
    return RouteSettings(
        med=given.med,
        med_step=given.med_step,
        prepend=given.prepend,
        local_as=given.local_as,
        next_hop4=hops.get(4, "self"),
        next_hop6=hops.get(6, "self"),
        path_id=given.path_id,
        neighbors=given.neighbor,
        primary=_role(given, given.roles.primary),
        standby=_role(given, given.roles.standby),
    )


def _role(common: ServiceSection, own: RoleSection) -> RoleAttributes:
    preference = common.local_preference if own.local_preference is None else own.local_preference
    return RoleAttributes(
        communities=_joined(common.community, own.community),
        large_communities=_joined(common.large_community, own.large_community),
        extended_communities=_joined(common.extended_community, own.extended_community),
        local_preference=preference,
    )


def _joined(common: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*common, *own)))


def _hooks(given: ServiceSection) -> HookSettings:
    by_state = {
        CheckState.UP: given.up_execute,
        CheckState.DOWN: given.down_execute,
        CheckState.DISABLED: given.disabled_execute,
    }
    return HookSettings(given.execute, {state: commands for state, commands in by_state.items() if commands})
