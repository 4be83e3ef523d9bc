"""Every metric that an agent has: plain data, for `vipagent.web.exposition` and for the documentation."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """As Prometheus sees it; a histogram has `_bucket`, `_sum` and `_count` behind it."""
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    text: str
    """What it means: a sentence."""


METRICS = (
    Metric(
        "vipagent_build_info",
        "gauge",
        ("version", "python", "backend", "node"),
        "Always 1: which vipagent runs here, on which Python, with which backend, and under which name.",
    ),
    Metric(
        "vipagent_config_reloads_total",
        "counter",
        ("result",),
        "Configurations read again (SIGHUP): taken, or refused, whereupon the old one stays.",
    ),
    Metric(
        "vipagent_config_last_reload_successful",
        "gauge",
        (),
        "0 if the last configuration that was read was refused, 1 otherwise.",
    ),
    Metric(
        "vipagent_store_state",
        "gauge",
        ("state",),
        "The state of the session with the store: 1 for the present one of connected, unsure and lost.",
    ),
    Metric(
        "vipagent_store_reconnections_total",
        "counter",
        (),
        "How often the session with the store became connected again.",
    ),
    Metric(
        "vipagent_store_ignored_entries",
        "gauge",
        ("service",),
        "Entries of the store that are not what their place says, and are ignored (S1).",
    ),
    Metric(
        "vipagent_bgp_neighbors_established",
        "gauge",
        (),
        "BGP neighbours of ExaBGP that are established; 0 if it does not answer, no sample while unknown.",
    ),
    Metric(
        "vipagent_bgp_unknown",
        "gauge",
        (),
        "1 if ExaBGP has said nothing of its BGP neighbours: the BGP gate stays open (E5).",
    ),
    Metric(
        "vipagent_exabgp_commands_total",
        "counter",
        ("result",),
        "Route commands: done, or failed, be it by an error or without a reply; those are tried again (E1).",
    ),
    Metric(
        "vipagent_exabgp_reply_duration_seconds",
        "histogram",
        (),
        "Time from a route command to ExaBGP's reply.",
    ),
    Metric(
        "vipagent_check_state",
        "gauge",
        ("service", "state"),
        "The state of the local check: 1 for the present one of starting, up, down and disabled.",
    ),
    Metric(
        "vipagent_check_results_total",
        "counter",
        ("service", "result"),
        "Runs of the local check, by result: good, bad or disabled.",
    ),
    Metric(
        "vipagent_check_duration_seconds",
        "histogram",
        ("service",),
        "How long runs of the local check took.",
    ),
    Metric(
        "vipagent_maintenance",
        "gauge",
        ("service", "scope"),
        "1 if an operator has put the whole service, or this node, in maintenance (scope service or node).",
    ),
    Metric(
        "vipagent_vip_state",
        "gauge",
        ("service", "vip", "reason"),
        "Always 1: the reason why this node does, or does not, announce the VIP.",
    ),
    Metric(
        "vipagent_vip_announced",
        "gauge",
        ("service", "vip"),
        "1 if this node announces the VIP.",
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
        "1 if the VIP has a live owner, as this node sees the store.",
    ),
    Metric(
        "vipagent_routes_announced",
        "gauge",
        ("service", "rank"),
        "VIPs that this node announces, by rank: 0 as their owner (A3).",
    ),
    Metric(
        "vipagent_route_changes_total",
        "counter",
        ("service", "change"),
        "Decisions to announce (or announce otherwise) and to withdraw a VIP (change announce or withdraw).",
    ),
    Metric(
        "vipagent_takeovers_total",
        "counter",
        ("service",),
        "VIPs of others that this node took over.",
    ),
    Metric(
        "vipagent_handbacks_total",
        "counter",
        ("service",),
        "VIPs that this node handed back to their owner, or left to another taker.",
    ),
    Metric(
        "vipagent_conflicts_total",
        "counter",
        ("service",),
        "How often an own VIP was found to be registered by another node (G3).",
    ),
    Metric(
        "vipagent_internal_errors_total",
        "counter",
        ("service",),
        "Bugs that the agent survived: the log has a traceback of each.",
    ),
)
"""In the order in which they are shown."""
