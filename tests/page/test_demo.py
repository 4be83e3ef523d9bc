"""The page during `vipagent demo`: real BGP, a real death, and Chromium looks on."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.browser import Browser
from tests.servers.process import Process, free_port, wait_for

VIP = "10.20.255.1"
OBSERVE = """
    window.seen = new Map();
    const look = () => {
      for (const row of document.querySelectorAll(".log tbody tr")) {
        const key = row.querySelector("time").dateTime + " " + row.innerText;
        if (!seen.has(key)) seen.set(key, Date.now());
      }
    };
    look();
    window.before = seen.size;
    new MutationObserver(look).observe(document.querySelector("main"), {childList: true, subtree: true});
"""
DELAYS = """
    [...seen].slice(before).filter(([key]) => key.includes("(takeover)") && key.includes("→ rank"))
        .map(([key, at]) => at - Date.parse(key.split(" ")[0]))
"""
"""Milliseconds from each take-over, by the agent's own clock, to its appearance on the page."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The demo's steps are under way: the status page of the load balancer that is not going to die."""
    port = next(port for port in iter(free_port, 0) if all(map(is_free, (port, port + 1, port + 2))))
    command = [sys.executable, "-m", "vipagent", "demo", "--steps", "--listen", str(port)]
    demo = Process("demo", command, tmp_path / "demo.log")
    demo.start()
    wait_for("the second load balancer listens", lambda: not is_free(port + 1), 30.0)
    yield f"http://127.0.0.1:{port + 1}/"
    assert demo.wait(90) == 0, demo.said()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_take_over_is_on_the_page_within_a_second(browser: Browser, page: str) -> None:
    browser.look(1100)
    browser.open(page)
    browser.wait_for("the page lives", lambda: "✓ live" in browser.text())
    browser.run(OBSERVE)
    browser.wait_for("all is well", lambda: browser.text().count("✓ served") == 3)
    browser.wait_for("the take-over", lambda: "▲ taken over" in row(browser))
    assert "takeover" in row(browser)
    delays = browser.run(DELAYS)
    assert delays
    assert max(delays) < 1000, delays
    browser.wait_for("its owner is back", lambda: "✓ served" in row(browser))
    browser.wait_for("a drain", lambda: "‖ draining" in browser.text())
    browser.wait_for("the whole service is down", lambda: "in maintenance by operator" in browser.text())
    assert "the demo" in browser.text()
    assert [request for request in browser.requests if not request.startswith(page)] == []
    assert browser.errors == []
    browser.wait_for("the end", lambda: "✕ disconnected: as of" in browser.text(), 60.0)


def row(browser: Browser) -> str:
    rows = "[...document.querySelectorAll('.vips tbody tr')].map(row => row.innerText)"
    return next(str(text) for text in browser.run(rows) if VIP in text)
