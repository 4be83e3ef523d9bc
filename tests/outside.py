"""Third-party backends: real distributions on a separate path."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def install(
    site: Path, distribution: str, entry_points: Mapping[str, str], extras: tuple[str, ...] = ()
) -> None:
    """Write the metadata of a distribution to a directory."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    provides = "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n{provides}")
    lines = "".join(f"{name} = {target}\n" for name, target in entry_points.items())
    (info / "entry_points.txt").write_text(f"[vipagent.backends]\n{lines}")


def environment(site: Path) -> dict[str, str]:
    """Return an environment with this directory in Python's path, and with stevedore's cache in it."""
    return {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "XDG_CACHE_HOME": str(site / "cache")}
