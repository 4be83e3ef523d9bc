"""Endless `100 Continue` responses fail the check without harm to the agent (C1, E6)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.flood import flood

TIME_LIMIT = 20
"""Timeout of the check, in seconds; the check must end earlier."""
MEMORY = 8 * 1024
"""Maximum memory growth, in KiB."""
PROGRAM = """
import asyncio, json, resource, sys, time
from vipagent.checks.kinds import check_for
from vipagent.checks.settings import CheckSettings

url, timeout = sys.argv[1], float(sys.argv[2])

async def main():
    turns = 0
    async def turn():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1
    other = asyncio.create_task(turn())
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    outcome = await check_for(CheckSettings(check=url, timeout=timeout)).run()
    return {
        "good": outcome.good,
        "detail": outcome.detail,
        "seconds": time.monotonic() - began,
        "turns": turns,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }

print(json.dumps(asyncio.run(main())))
"""
"""Runs in a separate process, because a blocked event loop can only be stopped by a signal."""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_endless_100_continue_fails(scheme: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls") if scheme == "https" else None
    certificate = authority.issue("server").both if authority else None
    with flood(certificate) as server:
        url = f"{scheme}://{server.address}/"
        trusted = {"SSL_CERT_FILE": str(authority.cert)} if authority else {}
        command = [sys.executable, "-c", PROGRAM, url, str(TIME_LIMIT)]
        ran = subprocess.run(
            command,
            env={**os.environ, **trusted},
            capture_output=True,
            text=True,
            check=True,
            timeout=3 * TIME_LIMIT,
        )
        seen = json.loads(ran.stdout)
    assert not seen["good"]
    assert seen["detail"].startswith(f"invalid HTTP response from {url}: no final status in the first ")
    assert seen["seconds"] < TIME_LIMIT
    assert seen["turns"] > 0
    assert seen["memory"] < MEMORY
