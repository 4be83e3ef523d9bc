"""The page during `vipagent demo` with real BGP and a killed node, in Chromium."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.browser import Browser
from tests.servers.process import free_port, wait_for
from tests.servers.realtime import family, going_first
from vipagent.testing.slowness import allowed

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
"""Milliseconds from each takeover, by the agent's own clock, to its appearance on the page."""


class Demo:
    """The demo with a terminal for keys.

    Args:
        directory: directory of its log.
    """

    def __init__(self, directory: Path) -> None:
        first = free_port(row=3)
        self._second = first + 1
        self.page = f"http://127.0.0.1:{self._second}/"
        """URL of the second load balancer's page."""
        self._log = directory / "demo.log"
        self._keys, terminal = os.openpty()
        command = [sys.executable, "-m", "vipagent", "demo", "--listen", str(first)]
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(command, stdin=terminal, stdout=log, stderr=log)
        os.close(terminal)

    def wait(self) -> None:
        """Wait for the page; the start takes long on a busy machine."""
        try:
            wait_for("the second load balancer listens", lambda: listens(self._second), 90.0)
        except AssertionError as error:
            logs = sorted(Path(tempfile.gettempdir()).glob("vipagent-demo-*/lb2.log"))
            texts = [f"{log}:\n{log.read_text(errors='replace')[-4000:]}" for log in logs]
            raise AssertionError("\n".join([str(error), self._log.read_text(), *texts])) from None

    @property
    def pid(self) -> int:
        """Pid of its process, the parent of all others."""
        return self._child.pid

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._keys, key.encode())

    def quit(self) -> int:
        """End it, and return its status."""
        self.press("q")
        try:
            return self._child.wait(allowed(60))
        finally:
            self._child.kill()
            self._child.wait()
            os.close(self._keys)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    try:
        demo.wait()
        yield demo
    finally:
        status = demo.quit()
    assert status == 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_takeover_is_on_the_page_within_a_second(browser: Browser, demo: Demo) -> None:
    browser.look(1100)
    browser.open(demo.page)
    browser.wait_for("all is well", lambda: is_well(browser))
    browser.run(OBSERVE)
    with going_first(lambda: family(browser.pid, demo.pid)):
        demo.press("1")
        browser.wait_for("the takeover", lambda: "▲ taken over" in row(browser))
        assert "takeover" in row(browser)
        browser.wait_for("the event", lambda: bool(browser.run(DELAYS)))
    assert max(browser.run(DELAYS)) < allowed(1000)
    demo.press("1")
    browser.wait_for("its owner is back", lambda: is_well(browser))
    demo.press("b")
    browser.wait_for("a maintenance", lambda: "in maintenance by operator: the demo" in browser.text())
    demo.press("b")
    browser.wait_for("its end", lambda: is_well(browser))
    demo.press("s")
    browser.wait_for("that of the service", lambda: browser.text().count("‖ in maintenance") == 3)
    assert "The whole service is in maintenance by operator: the demo" in browser.text()
    assert [request for request in browser.requests if not request.startswith(demo.page)] == []
    assert browser.errors == []


def is_well(browser: Browser) -> bool:
    """Return whether each load balancer serves its own VIP, and no other."""
    text = browser.text()
    return text.count("✓ served") == text.count("rank 0, owner") == 3 and "rank 1, " not in text


def row(browser: Browser) -> str:
    rows = "[...document.querySelectorAll('.vips tbody tr')].map(row => row.innerText)"
    return next(str(text) for text in browser.run(rows) if VIP in text)
