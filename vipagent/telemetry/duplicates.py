"""Two live agents under one node name: the later one's record replaces that of the other (G3).

The record of a node and its registrations name the run of the agent that wrote them.
"""

from collections.abc import Iterator, Mapping

from vipagent.core.events import Member
from vipagent.store.records import NodeState, Registration
from vipagent.telemetry.problems import Fault, NodeProblem, problem
from vipagent.types import Reason


def is_same_run(member: Registration, state: NodeState) -> bool:
    """Return whether one run of an agent wrote the registration and the record; true if unknown."""
    return not member.instance or not state.instance or member.instance == state.instance


def duplicate_problems(
    service: str, node: str, state: NodeState, members: Mapping[str, Registration]
) -> Iterator[NodeProblem]:
    """Yield the problem that another agent of this name is registered.

    On the same host, the registration may be that of an earlier run, until its session has expired. An agent
    that knows of the other one by itself is in conflict.
    """
    for vip, member in members.items():
        seen = state.vips.get(vip)
        if member.node != node or is_same_run(member, state) or (seen and seen.reason == Reason.CONFLICT):
            continue
        if _on_another_host(member, state):
            detail = f"{node} on {state.host}, and {node} on {member.host}, which is registered for {vip}"
        elif state.earlier_expired:
            detail = f"{Member(node=node, host=member.host).holder(node)} is registered for {vip}"
        else:
            continue
        yield problem(Fault.DUPLICATE_NODE, node, service, vip=vip, detail=detail)
        return


def _on_another_host(member: Registration, state: NodeState) -> bool:
    return bool(member.host and state.host and member.host != state.host)
