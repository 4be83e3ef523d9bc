"""Headless Chromium, controlled by the DevTools protocol over a pair of pipes."""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vipagent.testing.slowness import allowed

FLAGS = """
    --headless=new --no-sandbox --remote-debugging-pipe --no-first-run --disable-gpu --disable-dev-shm-usage
    --disable-extensions --disable-sync --disable-background-networking --disable-component-update
    --hide-scrollbars
"""
START_COMMAND = 'exec chromium "${@:3}" 3<&"$1" 4>&"$2"'
"""Chromium reads commands from descriptor 3 and writes to descriptor 4."""
BROWSER_TIMEOUT = 60.0
"""Timeout of a reply in seconds: a browser starts slowly on a busy machine."""


class Browser:
    """One Chromium with one tab that logs all network requests.

    Args:
        directory: directory of its profile and log.
    """

    def __init__(self, directory: Path) -> None:
        self.requests: list[str] = []
        """The URL of every request so far."""
        self.errors: list[str] = []
        """Errors and warnings of the page's console."""
        self._directory = directory
        self._incoming = b""
        self._last = 0
        self._replies: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> "Browser":
        """Start Chromium, and open a tab."""
        commands, self._write = _pipe()
        self._read, replies = _pipe()
        with (self._directory / "chromium.log").open("wb") as log:
            flags = [*FLAGS.split(), f"--user-data-dir={self._directory / 'profile'}", "about:blank"]
            self._child = subprocess.Popen(
                ["bash", "-c", START_COMMAND, "bash", str(commands), str(replies), *flags],
                pass_fds=(commands, replies),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(commands)
        os.close(replies)
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it by closing its pipes."""
        os.close(self._write)
        os.close(self._read)
        try:
            self._child.wait(allowed(10))
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    @property
    def pid(self) -> int:
        """Pid of its main process."""
        return self._child.pid

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._last += 1
        number = self._last
        command = {"id": number, "method": method, "params": params, **self._session}
        os.write(self._write, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + allowed(BROWSER_TIMEOUT)
        while number not in self._replies:
            self._receive(deadline - time.monotonic(), method)
        reply = self._replies.pop(number)
        assert "error" not in reply, f"{method}: {reply['error']}"
        result: dict[str, Any] = reply["result"]
        return result

    def open(self, url: str) -> None:
        """Navigate to a page."""
        self.call("Page.navigate", url=url)

    def set_viewport(self, width: int, scheme: str = "light", height: int = 900) -> None:
        """Set the window width and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def evaluate(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        reply = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def text(self) -> str:
        """Return the visible text of the page."""
        return str(self.evaluate("document.body?.innerText ?? ''"))

    def wait_for(self, what: str, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Wait for a condition; on a timeout, report the page's text."""
        within = allowed(within)
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s: {what}; the page:\n{self.text()}"
            time.sleep(0.02)

    def screenshot(self, file: Path) -> None:
        """Save a screenshot of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        image = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(image["data"]))

    def _receive(self, within: float, method: str) -> None:
        ready, _, _ = select.select([self._read], [], [], max(0.0, within))
        data = os.read(self._read, 1 << 16) if ready else b""
        log = (self._directory / "chromium.log").read_text(errors="replace")[-2000:]
        assert data, f"no reply from Chromium to {method}:\n{log}"
        *messages, self._incoming = (self._incoming + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._replies[message["id"]] = message
            else:
                self._handle_event(message["method"], message["params"])

    def _handle_event(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.errors.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(params["exceptionDetails"]))


def _pipe() -> tuple[int, int]:
    """Return a pipe that does not use the descriptors 3 and 4."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
