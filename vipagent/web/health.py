"""What `/healthz` answers: whether the agent can do its job, for whoever would start it anew otherwise."""

import json
from http import HTTPStatus

from vipagent.telemetry.view import AgentView


def health(view: AgentView) -> tuple[HTTPStatus, bytes]:
    """Return the status and the JSON.

    200 as long as the agent's loop turns and ExaBGP is there; 503 once the agent is ending. A store that is
    away, a check that is down or a maintenance are told, but are no reason to start an agent anew: it serves
    on (L1), or does not serve for a good reason.
    """
    said = {
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
    return status, json.dumps(said).encode() + b"\n"
