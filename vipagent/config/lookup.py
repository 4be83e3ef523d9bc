"""Location of the configuration file: `--config`, then $VIPAGENT_CONFIG, then the default path."""

import os
from pathlib import Path

from vipagent.config.problems import ConfigError, Problem

CONFIG_VARIABLE = "VIPAGENT_CONFIG"
DEFAULT_PATH = Path("/etc/vipagent/vipagent.yaml")
LOOKUP_ORDER = f"${CONFIG_VARIABLE}, else {DEFAULT_PATH}"
"""Lookup order without `--config`, for help texts."""


def default_path() -> Path:
    """Return the path used without `--config`, whether or not the file exists."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_PATH)


def find(path: str | None, hint: str) -> Path:
    """Return the path of the configuration file.

    Args:
        path: the path given by `--config` or an argument, if any.
        hint: what the operator can do if no file is found; part of the error message.

    Raises:
        ConfigError: no path is given and no default file exists.
    """
    if path is not None:
        return Path(path)
    file = default_path()
    if os.environ.get(CONFIG_VARIABLE) or _exists(file):
        return file
    text = f"not specified, ${CONFIG_VARIABLE} is not set, and {DEFAULT_PATH} does not exist: {hint}"
    raise ConfigError([Problem("configuration", "", None, text)])


def _exists(file: Path) -> bool:
    """Return whether a file exists; if that cannot be determined, reading it will report why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
