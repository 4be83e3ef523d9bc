"""Samples of all metrics in `METRICS`, from an agent's view."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from vipagent import __version__
from vipagent.core.actions import VipReport
from vipagent.store.records import MAX_RECORDED_PEERS
from vipagent.telemetry.counters import Histogram
from vipagent.telemetry.facts import is_announced
from vipagent.telemetry.problems import ADVICE
from vipagent.telemetry.view import AgentView, ServiceView
from vipagent.types import CheckResult, CheckState, Reason, StoreState
from vipagent.web.problems import own_problems

Sample = tuple[tuple[str, ...], float | Histogram]
"""Label values and sample value."""
Samples = Callable[[AgentView], Iterable[Sample]]
NODE_IN_MAINTENANCE = frozenset({Reason.DRAINING, Reason.MAINTENANCE_NODE})


def _per_service(value: Callable[[ServiceView], float | Histogram]) -> Samples:
    """Return one sample per service."""
    return lambda view: [((service.name,), value(service)) for service in view.services]


def _per_service_and_label(samples: Callable[[ServiceView], Iterable[Sample]]) -> Samples:
    """Return several samples per service, with the service name as first label."""

    def of_view(view: AgentView) -> Iterator[Sample]:
        for service in view.services:
            for labels, value in samples(service):
                yield (service.name, *labels), value

    return of_view


def _per_vip(value: Callable[[VipReport], float | None]) -> Samples:
    """Return one sample per VIP, but none for an unknown value."""
    return _per_service_and_label(
        lambda service: (
            ((vip,), float(known))
            for vip, seen in _vips(service).items()
            if (known := value(seen)) is not None
        )
    )


def _vips(service: ServiceView) -> Mapping[str, VipReport]:
    return service.report.vips if service.report else {}


def _one_of(words: Iterable[str], present: str) -> list[Sample]:
    return [((str(word),), float(word == present)) for word in words]


def _check_state(service: ServiceView) -> list[Sample]:
    return _one_of(CheckState, service.report.check if service.report else CheckState.STARTING)


def _results(service: ServiceView) -> list[Sample]:
    return [((str(result),), service.counters.results[result]) for result in CheckResult]


def _maintenance(service: ServiceView) -> list[Sample]:
    node = any(seen.reason in NODE_IN_MAINTENANCE for seen in _vips(service).values())
    return [(("service",), float(service.status.maintenance is not None)), (("node",), float(node))]


def _states(service: ServiceView) -> list[Sample]:
    return [((vip, str(seen.reason)), 1) for vip, seen in _vips(service).items()]


def _registered(service: ServiceView) -> list[Sample]:
    return [((seen.vip,), float(seen.registered)) for seen in service.status.vips]


def _ranks(service: ServiceView) -> list[Sample]:
    """Always return ranks 0 and 1: intermittent series are difficult to aggregate."""
    found = Counter({0: 0, 1: 0})
    found.update(
        seen.rank for seen in _vips(service).values() if seen.rank is not None and is_announced(seen)
    )
    return [((str(rank),), count) for rank, count in sorted(found.items())]


def _changes(service: ServiceView) -> list[Sample]:
    counters = service.counters
    return [(("announce",), counters.announcements), (("withdraw",), counters.withdrawals)]


def _neighbors(view: AgentView) -> list[Sample]:
    return [((neighbor.address, str(neighbor.state)), 1) for neighbor in view.peers[:MAX_RECORDED_PEERS]]


def _problems(view: AgentView) -> list[Sample]:
    """Return a sample for every problem that exists: intermittent series are difficult to alert on."""
    found = Counter(seen.reason for seen in own_problems(view))
    return [((str(reason),), found[reason]) for reason in ADVICE]


SAMPLES: Mapping[str, Samples] = {
    "vipagent_build_info": lambda view: [
        ((__version__, platform.python_version(), view.backend, view.node), 1)
    ],
    "vipagent_config_reloads_total": lambda view: [
        (("taken",), view.counters.reloads),
        (("refused",), view.counters.refused_reloads),
    ],
    "vipagent_config_last_reload_successful": lambda view: [((), float(view.counters.last_reload_good))],
    "vipagent_store_state": lambda view: _one_of(StoreState, view.store),
    "vipagent_store_reconnections_total": lambda view: [((), max(0, view.counters.connections - 1))],
    "vipagent_store_ignored_entries": _per_service(lambda service: service.status.ignored),
    "vipagent_bgp_neighbors_established": lambda view: (
        [] if view.neighbors is None else [((), view.neighbors)]
    ),
    "vipagent_bgp_unknown": lambda view: [((), float(view.neighbors is None))],
    "vipagent_bgp_neighbor_state": _neighbors,
    "vipagent_problems": _problems,
    "vipagent_exabgp_commands_total": lambda view: [
        (("done",), view.counters.commands),
        (("failed",), view.counters.command_errors),
    ],
    "vipagent_exabgp_reply_duration_seconds": lambda view: [((), view.counters.reply_seconds)],
    "vipagent_check_state": _per_service_and_label(_check_state),
    "vipagent_check_results_total": _per_service_and_label(_results),
    "vipagent_check_duration_seconds": _per_service(lambda service: service.counters.check_seconds),
    "vipagent_maintenance": _per_service_and_label(_maintenance),
    "vipagent_vip_state": _per_service_and_label(_states),
    "vipagent_vip_announced": _per_vip(lambda seen: float(is_announced(seen))),
    "vipagent_vip_requested": _per_vip(lambda seen: float(seen.rank is not None)),
    "vipagent_vip_accepted": _per_vip(lambda seen: float(seen.rank is not None and seen.accepted)),
    "vipagent_vip_in_table": _per_vip(lambda seen: seen.in_table),
    "vipagent_vip_local": _per_vip(lambda seen: seen.local),
    "vipagent_vip_owned": _per_vip(lambda seen: float(seen.owned)),
    "vipagent_vip_registered": _per_service_and_label(_registered),
    "vipagent_routes_announced": _per_service_and_label(_ranks),
    "vipagent_route_changes_total": _per_service_and_label(_changes),
    "vipagent_takeovers_total": _per_service(lambda service: service.counters.takeovers),
    "vipagent_handbacks_total": _per_service(lambda service: service.counters.handbacks),
    "vipagent_conflicts_total": _per_service(lambda service: service.counters.conflicts),
    "vipagent_internal_errors_total": _per_service(lambda service: service.counters.internal_errors),
}
"""Samples by metric name."""
