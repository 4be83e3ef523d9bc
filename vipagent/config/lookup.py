"""Where the configuration is, for every command: `--config`, the environment, or the usual place."""

import os
from pathlib import Path

from vipagent.config.problems import ConfigError, Problem

VARIABLE = "VIPAGENT_CONFIG"
USUAL = Path("/etc/vipagent/vipagent.yaml")
ORDER = f"${VARIABLE}, else {USUAL}"
"""For help texts: where a file is looked for that is not named."""


def expected() -> Path:
    """Return the file that is meant where none is named, whether or not it is there."""
    return Path(os.environ.get(VARIABLE) or USUAL)


def find(named: str | None, instead: str) -> Path:
    """Return the file that is named, or else the first of those that are looked for.

    Args:
        named: by `--config` or an argument; None: by nothing.
        instead: what else an operator can do, for the message.

    Raises:
        ConfigError: none is named, and there is none.
    """
    if named is not None:
        return Path(named)
    file = expected()
    if os.environ.get(VARIABLE) or _is_there(file):
        return file
    looked = f"none is named, ${VARIABLE} is not set, and there is no {USUAL}: {instead}"
    raise ConfigError([Problem("configuration", "", None, looked)])


def _is_there(file: Path) -> bool:
    """Say whether there is a file. Where that may not be seen, reading it will say why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
