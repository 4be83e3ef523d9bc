"""Content of `/healthz`: whether the agent works, for liveness probes, and its problems, for operators."""

import json
from dataclasses import asdict
from http import HTTPStatus

from vipagent.telemetry.facts import is_announced
from vipagent.telemetry.view import AgentView
from vipagent.web.problems import own_problems


def health(view: AgentView) -> tuple[HTTPStatus, bytes]:
    """Return the status and the JSON.

    200 while the agent and ExaBGP run, 503 during shutdown. A store outage, a failed check, a maintenance and
    every other problem are shown, but do not change the status, because a restart does not help: the agent
    keeps serving (L1), or has a reason not to serve.
    """
    problems = own_problems(view)
    content = {
        "status": "ending" if view.ending else "problem" if problems else "ok",
        "node": view.node,
        "store": view.store,
        "neighbors": view.neighbors,
        "services": {
            service.name: {
                "check": service.report.check if service.report else "starting",
                "announced": sum(map(is_announced, service.report.vips.values())) if service.report else 0,
            }
            for service in view.services
        },
        "problems": [asdict(found) for found in problems],
    }
    status = HTTPStatus.SERVICE_UNAVAILABLE if view.ending else HTTPStatus.OK
    return status, json.dumps(content).encode() + b"\n"
