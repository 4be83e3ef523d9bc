"""Start agent and healthcheck with equivalent settings."""

from collections.abc import Mapping
from pathlib import Path

from tests.benchmark.program import Program

EVERY_SECOND: Mapping[str, float] = {"interval": 1, "fast_interval": 1, "timeout": 1, "rise": 1, "fall": 1}


def agent(
    folder: Path, checks: list[str], key: str = "command", timing: Mapping[str, float] = EVERY_SECOND
) -> Program:
    """Start one agent with a service for each check.

    Args:
        folder: directory of its configuration and store.
        checks: command or URL of each service.
        key: the configuration key, `command` or `check`.
        timing: interval, fast_interval, timeout, rise and fall.
    """
    lines = ["node: bench", "backend: file", f"hosts: {folder / 'store'}", "services:"]
    for number, check in enumerate(checks):
        lines += [f"  s{number}:", f"    auth_ip: {vip(number)}", f"    {key}: {check!r}"]
        lines += ["    address_check: false"]
        lines += [f"    {name}: {value}" for name, value in timing.items()]
    config = folder / f"agent{len(checks)}.yaml"
    config.write_text("\n".join(lines) + "\n")
    return Program(["vipagent", "run", "--config", str(config)], folder / "agent.log")


def healthcheck(
    folder: Path, command: str, number: int = 0, timing: Mapping[str, float] = EVERY_SECOND
) -> Program:
    """Start one healthcheck for one VIP, with `--debounce`, to write only changes like the agent."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in timing.items()]
    options += ["--no-ip-setup", "--withdraw-on-down", "--debounce", "--silent"]
    return Program(
        ["exabgp", "healthcheck", f"--cmd={command}", f"--ip={vip(number)}/32", *options],
        folder / "healthcheck.log",
    )


def vip(number: int) -> str:
    """Return the VIP of the n-th service."""
    return f"10.20.{number}.1"
