"""The status page: one HTML file with inline style and script, and its Content-Security-Policy."""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Page:
    """The page and its Content-Security-Policy."""

    html: bytes
    policy: str


def load() -> Page:
    """Load the page from the package."""
    html = files("vipagent.web").joinpath("page.html").read_text()
    script, style = (_hash(html, tag) for tag in ("script", "style"))
    return Page(
        html.encode(),
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )


def _hash(html: str, tag: str) -> str:
    """Return the hash source of the element with this name (CSP 3, 2.3.1)."""
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
