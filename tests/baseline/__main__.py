"""Record the output of the current version, for tests of later versions.

    tests/alone .venv/bin/python -m tests.baseline            # writes tests/baseline/VERSION/
    tests/alone .venv/bin/python -m tests.baseline etcd       # only this part

It requires the servers of all stores, and takes a few minutes.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.baseline import routes
from tests.baseline.site import Site
from tests.baseline.stores import STORES
from vipagent import __version__
from vipagent.cli import catalog as commands
from vipagent.config import catalog as configuration
from vipagent.web.metrics import METRICS

DIRECTORY = Path(__file__).parent
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?\+00:00")
INSTANCE = re.compile(r"\b[0-9a-f]{32}\b")
OPERATOR = re.compile(r'(by\\*": *\\*"|maintenance by )[^"\\ ]+@[^"\\ ]+')
FIRST_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def main(requested: list[str]) -> None:
    """Write files for all names, the routes and each store, or only the requested ones."""
    target = DIRECTORY / __version__
    target.mkdir(exist_ok=True)
    recorders: dict[str, Callable[[Path], object]] = {"names": _names, "routes": routes.record}
    recorders |= {name: partial(_record_store, name) for name in STORES}
    for name in requested or recorders:
        with tempfile.TemporaryDirectory() as scratch:
            recorded = recorders[name](Path(scratch))
        text = normalize(json.dumps(recorded, indent=1, default=_to_json))
        (target / f"{name}.json").write_text(f"{text}\n")
        print(name, flush=True)


def _record_store(name: str, directory: Path) -> object:
    """Return the content of a store while a service is running."""
    with ExitStack() as stack:
        site = Site(stack.enter_context(STORES[name](directory / "store")), directory, stack)
        site.run()
        return site.situations


def _names(_directory: Path) -> object:
    """Return all names that operators' scripts and files may use."""
    return {
        "metrics": METRICS,
        "configuration": configuration.keys(),
        "commands": [
            {"name": command.name, "options": [option.names for option in command.options]}
            for command in commands.commands()
        ],
    }


def normalize(text: str) -> str:
    """Replace instances, times and the operator by constant values, in the same order."""
    for original, replacement in (*_times(text), *_instances(text)):
        text = text.replace(original, replacement)
    return OPERATOR.sub(r"\1operator@host", text)


def _times(text: str) -> Iterator[tuple[str, str]]:
    times = sorted(set(TIME.findall(text)), key=datetime.fromisoformat)
    for second, time in enumerate(times):
        precision = "milliseconds" if "." in time else "seconds"
        yield time, f"\0{(FIRST_TIME + timedelta(seconds=second)).isoformat(timespec=precision)}"
    yield "\0", ""  # marks replaced times, so that none is replaced twice


def _instances(text: str) -> Iterator[tuple[str, str]]:
    for number, instance in enumerate(dict.fromkeys(INSTANCE.findall(text)), 1):
        yield instance, f"{number:032x}"


def _to_json(part: object) -> object:
    """Convert values that JSON does not support."""
    return asdict(part) if is_dataclass(part) and not isinstance(part, type) else str(part)


if __name__ == "__main__":
    main(sys.argv[1:])
