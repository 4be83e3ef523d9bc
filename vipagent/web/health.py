"""Content of `/healthz`: whether the agent works, for liveness probes."""

import json
from http import HTTPStatus

from vipagent.telemetry.view import AgentView


def health(view: AgentView) -> tuple[HTTPStatus, bytes]:
    """Return the status and the JSON.

    200 while the agent and ExaBGP run, 503 during shutdown. A store outage, a failed check and a maintenance
    are shown, but do not change the status, because a restart does not help: the agent keeps serving (L1), or
    has a reason not to serve.
    """
    content = {
        "status": "ending" if view.ending else "ok",
        "node": view.node,
        "store": view.store,
        "neighbors": view.neighbors,
        "services": {
            service.name: {
                "check": service.report.check if service.report else "starting",
                "announced": sum(seen.rank is not None for seen in service.report.vips.values())
                if service.report
                else 0,
            }
            for service in view.services
        },
    }
    status = HTTPStatus.SERVICE_UNAVAILABLE if view.ending else HTTPStatus.OK
    return status, json.dumps(content).encode() + b"\n"
