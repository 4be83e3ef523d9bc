"""Where the demo's load balancers show their status pages."""

from vipagent.config.values import listen
from vipagent.demo.cluster import NODES
from vipagent.net.endpoint import Endpoint


def pages(first: str | None) -> dict[str, str]:
    """Return the address of each load balancer's page, by its name.

    Args:
        first: the first one's, the others have the next ports; None: there are no pages.

    Raises:
        ValueError: it is not `[HOST:]PORT`, or there are not enough ports behind it.
    """
    if first is None:
        return {}
    host, port = Endpoint.parse(listen(first), 0)
    return {node.name: listen(str(Endpoint(host, port + index))) for index, node in enumerate(NODES)}
