"""Addresses of the loopback interface, in the network namespace of a test (fixture `network`)."""

import json
import subprocess

from vipagent.testing.slowness import allowed


def ip(*arguments: str) -> str:
    """Run `ip`, and return its output."""
    return subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, check=True, timeout=allowed(10)
    ).stdout


def loopback_addresses() -> set[str]:
    """Return the global addresses of the loopback interface."""
    [interface] = json.loads(ip("-j", "address", "show", "dev", "lo"))
    return {address["local"] for address in interface["addr_info"] if address["scope"] == "global"}
