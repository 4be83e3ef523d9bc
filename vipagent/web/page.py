"""The status page: one HTML file with inline style and script, and its Content-Security-Policy."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files

from vipagent.telemetry.summary import ABSENT, NO_AGENT, PENDING
from vipagent.types import SEVERITY_BY_REASON, Severity

CALM_PLACE = "/*calm*/[]"
"""Where the page's script expects the states of `calm_states`."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page and its Content-Security-Policy."""

    html: bytes
    policy: str


def load() -> Page:
    """Load the page from the package, and insert the states of a node that are not faults."""
    source = files("vipagent.web").joinpath("page.html").read_text()
    html = source.replace(CALM_PLACE, json.dumps(calm_states()))
    script, style = (_hash(html, tag) for tag in ("script", "style"))
    return Page(
        html.encode(),
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )


def calm_states() -> list[str]:
    """Return the states of a node, other than serving, that are planned, temporary or not ours to judge."""
    notices = [reason.value for reason, severity in SEVERITY_BY_REASON.items() if severity is Severity.NOTICE]
    return [*notices, NO_AGENT, ABSENT, PENDING]


def _hash(html: str, tag: str) -> str:
    """Return the hash source of the element with this name (CSP 3, 2.3.1)."""
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
