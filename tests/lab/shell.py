"""A shell on one of the lab's machines, with `birdc`, `vtysh` and `vipagent` configured for it."""

from pathlib import Path

from tests.lab import plan
from tests.lab.lab import Lab
from tests.lab.switches import BirdSwitch


def shell(lab: Lab, host: str, words: tuple[str, ...]) -> list[str]:
    """Return the command line of a shell on a machine, or of one command in it."""
    start = lab.directory / f"{host}.bashrc"
    start.write_text("".join(f"{line}\n" for line in _start(lab, host, start)))
    run = ["bash", "-c", f'. {start} && "$@"', "bash", *words] if words else ["bash", "--rcfile", str(start)]
    return lab.network.inside(host, run)


def _start(lab: Lab, host: str, start: Path) -> list[str]:
    lines = [f"PS1='{lab.plan.name}/{host}# '"]
    if host in plan.VIPS:
        command = " ".join(lab.balancers[host].command('"$@"')[4:])
        lines.append(f"vipagent() {{ {command}; }}")
    elif isinstance(switch := lab.switches.get(host), BirdSwitch):
        lines.append(f'birdc() {{ command birdc -s {switch.control} "$@"; }}')
    elif host in lab.switches:
        lines.append(f'vtysh() {{ command vtysh --vty_socket {start.with_suffix("")} "$@"; }}')
    return lines
