"""Record the output of the current version, for tests of later versions.

    tests/alone .venv/bin/python -m tests.baseline            # writes tests/baseline/VERSION/
    tests/alone .venv/bin/python -m tests.baseline etcd       # a part of it

It needs the servers of all stores, and takes a few minutes.
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

HERE = Path(__file__).parent
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?\+00:00")
INSTANCE = re.compile(r"\b[0-9a-f]{32}\b")
OPERATOR = re.compile(r'(by\\*": *\\*"|maintenance by )[^"\\ ]+@[^"\\ ]+')
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def main(asked: list[str]) -> None:
    """Write files for all names, the routes and each store, or only the requested ones."""
    target = HERE / __version__
    target.mkdir(exist_ok=True)
    recorders: dict[str, Callable[[Path], object]] = {"names": _names, "routes": routes.record}
    recorders |= {name: partial(_live, name) for name in STORES}
    for name in asked or recorders:
        with tempfile.TemporaryDirectory() as scratch:
            found = recorders[name](Path(scratch))
        text = normalised(json.dumps(found, indent=1, default=_plain))
        (target / f"{name}.json").write_text(f"{text}\n")
        print(name, flush=True)


def _live(name: str, directory: Path) -> object:
    """Return the content of a store while a service is running."""
    with ExitStack() as stack:
        site = Site(stack.enter_context(STORES[name](directory / "store")), directory, stack)
        site.live()
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


def normalised(text: str) -> str:
    """Replace instances, times and the operator by constant values, in the same order."""
    for found, replacement in (*_times(text), *_instances(text)):
        text = text.replace(found, replacement)
    return OPERATOR.sub(r"\1operator@host", text)


def _times(text: str) -> Iterator[tuple[str, str]]:
    moments = sorted(set(TIME.findall(text)), key=datetime.fromisoformat)
    for second, moment in enumerate(moments):
        precision = "milliseconds" if "." in moment else "seconds"
        yield moment, f"\0{(FIRST + timedelta(seconds=second)).isoformat(timespec=precision)}"
    yield "\0", ""  # so that nothing is replaced twice


def _instances(text: str) -> Iterator[tuple[str, str]]:
    for number, instance in enumerate(dict.fromkeys(INSTANCE.findall(text)), 1):
        yield instance, f"{number:032x}"


def _plain(part: object) -> object:
    """Convert values that JSON does not support."""
    return asdict(part) if is_dataclass(part) and not isinstance(part, type) else str(part)


if __name__ == "__main__":
    main(sys.argv[1:])
