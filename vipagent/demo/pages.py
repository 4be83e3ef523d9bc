"""Addresses of the status pages of the demo's load balancers."""

from vipagent.config.values import listen
from vipagent.demo.cluster import NODES
from vipagent.net.endpoint import Endpoint


def pages(first: str | None) -> dict[str, str]:
    """Return the addresses of the status pages by load balancer.

    Args:
        first: address of the first page, the others use the following ports; None: no pages.

    Raises:
        ValueError: it is not `[HOST:]PORT`, or the following ports are invalid.
    """
    if first is None:
        return {}
    host, port = Endpoint.parse(listen(first), 0)
    return {node.name: listen(str(Endpoint(host, port + index))) for index, node in enumerate(NODES)}
