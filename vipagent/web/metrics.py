"""Definitions of all metrics, for `vipagent.web.exposition` and the documentation."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """Metric name; a histogram adds `_bucket`, `_sum` and `_count`."""
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    text: str
    """Help text: a sentence."""


METRICS = (
    Metric(
        "vipagent_build_info",
        "gauge",
        ("version", "python", "backend", "node"),
        "Always 1: version of vipagent and Python, backend and node name.",
    ),
    Metric(
        "vipagent_config_reloads_total",
        "counter",
        ("result",),
        "Configuration reloads (SIGHUP), by result: taken, or refused and the current configuration is kept.",
    ),
    Metric(
        "vipagent_config_last_reload_successful",
        "gauge",
        (),
        "1 if the last configuration reload was successful, 0 otherwise.",
    ),
    Metric(
        "vipagent_store_state",
        "gauge",
        ("state",),
        "State of the store session: 1 for the current one of connected, unsure and lost.",
    ),
    Metric(
        "vipagent_store_reconnections_total",
        "counter",
        (),
        "Number of reconnections of the store session.",
    ),
    Metric(
        "vipagent_store_ignored_entries",
        "gauge",
        ("service",),
        "Number of invalid or unknown entries in the store, which are ignored (S1).",
    ),
    Metric(
        "vipagent_bgp_neighbors_established",
        "gauge",
        (),
        "Number of established BGP neighbours; 0 if ExaBGP does not answer, no sample while unknown.",
    ),
    Metric(
        "vipagent_bgp_unknown",
        "gauge",
        (),
        "1 if ExaBGP has not reported its BGP neighbours, so that the BGP gate stays open (E5).",
    ),
    Metric(
        "vipagent_bgp_neighbor_state",
        "gauge",
        ("neighbor", "state"),
        "Always 1: the state of the BGP session: established, down, no-carrier, hung or unknown.",
    ),
    Metric(
        "vipagent_problems",
        "gauge",
        ("reason",),
        "Number of problems of this node, and of services that it sees unserved, by reason, as in /healthz.",
    ),
    Metric(
        "vipagent_exabgp_commands_total",
        "counter",
        ("result",),
        "Route commands, by result: done, or failed (error or no reply); failed ones are retried (E1).",
    ),
    Metric(
        "vipagent_exabgp_reply_duration_seconds",
        "histogram",
        (),
        "Latency of ExaBGP's replies to route commands.",
    ),
    Metric(
        "vipagent_check_state",
        "gauge",
        ("service", "state"),
        "State of the local check: 1 for the current one of starting, up, down and disabled.",
    ),
    Metric(
        "vipagent_check_results_total",
        "counter",
        ("service", "result"),
        "Number of runs of the local check, by result: good, bad or disabled.",
    ),
    Metric(
        "vipagent_check_duration_seconds",
        "histogram",
        ("service",),
        "Duration of the local check.",
    ),
    Metric(
        "vipagent_maintenance",
        "gauge",
        ("service", "scope"),
        "1 if the whole service or this node is in maintenance (scope service or node).",
    ),
    Metric(
        "vipagent_vip_state",
        "gauge",
        ("service", "vip", "reason"),
        "Always 1: the reason why this node announces the VIP or not.",
    ),
    Metric(
        "vipagent_vip_announced",
        "gauge",
        ("service", "vip"),
        "1 if this node announces the VIP: ExaBGP has accepted the route and, if known, has it in its table.",
    ),
    Metric(
        "vipagent_vip_requested",
        "gauge",
        ("service", "vip"),
        "1 if this node has requested a route of the VIP from ExaBGP.",
    ),
    Metric(
        "vipagent_vip_accepted",
        "gauge",
        ("service", "vip"),
        "1 if ExaBGP has accepted the requested route of the VIP.",
    ),
    Metric(
        "vipagent_vip_in_table",
        "gauge",
        ("service", "vip"),
        "1 if ExaBGP's table has a route of the VIP; no sample while unknown.",
    ),
    Metric(
        "vipagent_vip_local",
        "gauge",
        ("service", "vip"),
        "1 if the VIP is an address of this node; no sample while unknown.",
    ),
    Metric(
        "vipagent_vip_owned",
        "gauge",
        ("service", "vip"),
        "1 if this node owns the VIP.",
    ),
    Metric(
        "vipagent_vip_registered",
        "gauge",
        ("service", "vip"),
        "1 if the VIP has a registered owner, as seen by this node.",
    ),
    Metric(
        "vipagent_routes_announced",
        "gauge",
        ("service", "rank"),
        "Number of VIPs that this node announces, by rank; 0: as their owner (A3).",
    ),
    Metric(
        "vipagent_route_changes_total",
        "counter",
        ("service", "change"),
        "Number of decisions to announce (or change) and to withdraw a VIP (change announce or withdraw).",
    ),
    Metric(
        "vipagent_takeovers_total",
        "counter",
        ("service",),
        "Number of takeovers by this node.",
    ),
    Metric(
        "vipagent_handbacks_total",
        "counter",
        ("service",),
        "Number of VIPs that this node handed back to their owner or to another node.",
    ),
    Metric(
        "vipagent_conflicts_total",
        "counter",
        ("service",),
        "Number of conflicts: an own VIP was registered by another node (G3).",
    ),
    Metric(
        "vipagent_internal_errors_total",
        "counter",
        ("service",),
        "Number of internal errors; the log has a traceback of each.",
    ),
)
"""In the order of the exposition."""
