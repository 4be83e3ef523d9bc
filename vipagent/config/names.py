"""Names of services and nodes: they become parts of a path in a store. Free of pydantic, for the agent."""

import re

from vipagent.store.layout import WHOLE_SERVICE

MAX_NAME = 200


def name(text: str) -> str:
    """Return a service's or node's name.

    Raises:
        ValueError: it cannot be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text) or not text.strip(".") or len(text) > MAX_NAME:
        raise ValueError(f"is no name: letters, digits, '.', '_' and '-', at most {MAX_NAME} characters")
    return text


def node_name(text: str) -> str:
    """Return a node's name.

    Raises:
        ValueError: it cannot be one.
    """
    if name(text) == WHOLE_SERVICE:
        raise ValueError("is reserved for the maintenance of a whole service: name the node otherwise")
    return text
