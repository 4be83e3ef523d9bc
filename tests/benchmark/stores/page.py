"""Generated parts of docs/stores.md."""

import os
import time

from tests.markdown import DOCS, Part

PAGE = DOCS / "stores.md"


def conditions() -> str:
    """Return the conditions of the measurement: load on the machine affects the figures."""
    load = os.getloadavg()[0]
    return f"Measured on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {load:.1f} at the end."


def shown(name: str) -> str:
    """Return the current content between the markers of this name."""
    return Part(PAGE, name).shown()


def write(name: str, content: str) -> None:
    """Replace the content between the markers of this name."""
    Part(PAGE, name).write(content)
    print(content, flush=True)
