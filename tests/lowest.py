"""Installs exactly the lower bounds that setup.cfg names: `python -m tests.lowest`."""

import configparser
import re
import subprocess
import sys
from pathlib import Path


def lower_bounds() -> list[str]:
    """Return every requirement of the distribution and its extras, pinned to its lower bound."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parent.parent / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    for requirements in setup["options.extras_require"].values():
        lines += requirements.splitlines()
    bounded = re.compile(r"([\w.-]+)>=([\w.]+)(?:,<[\w.]+)?")
    found = {match[1]: match[2] for line in lines if (match := bounded.fullmatch(line.strip()))}
    return [f"{name}=={version}" for name, version in found.items()]


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "pip", "install", *lower_bounds()], check=True)
