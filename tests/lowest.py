"""Install exactly the lower bounds of setup.cfg: `python -m tests.lowest`."""

import configparser
import re
import subprocess
import sys
from pathlib import Path


def lower_bounds() -> list[str]:
    """Return all requirements of the distribution and its extras, pinned to their lower bounds."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parent.parent / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    for requirements in setup["options.extras_require"].values():
        lines += requirements.splitlines()
    requirement = re.compile(r"([\w.-]+)>=([\w.]+)(?:,<[\w.]+)?")
    bounds = {match[1]: match[2] for line in lines if (match := requirement.fullmatch(line.strip()))}
    return [f"{name}=={version}" for name, version in bounds.items()]


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "pip", "install", *lower_bounds()], check=True)
