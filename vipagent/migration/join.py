"""Combines the readings of several files into one configuration, or reports all errors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vipagent.config.load import load_store
from vipagent.config.problems import COMMAND_LINE, ConfigError, Place, Problem
from vipagent.config.schema import ServiceSection
from vipagent.config.validation import check, rule_violations, shared_vips
from vipagent.config.values import name
from vipagent.migration.draft import Draft, Instance, Reading, Remark, Setting, Value, Weight, gathered

ALIKE = frozenset({"node", "backend", "hosts", "prefix"})
"""Settings with one value per agent: files with different values cannot be combined."""


def imported(paths: Iterable[str], read: Callable[[Path], Reading], chosen: Mapping[str, Value]) -> Draft:
    """Create one configuration from several files.

    Args:
        paths: the files, of one node.
        read: reads one of them.
        chosen: keys of the agent that the operator overrides.

    Raises:
        ConfigError: they cannot be read or combined; contains all errors.
    """
    reading = gathered(_tried(read, Path(path)) for path in paths)
    own = tuple(Setting(key, value, f"--{key.replace('_', '-')}") for key, value in chosen.items())
    instances = [replace(found, top=_without(found.top, chosen)) for found in reading.instances]
    tops = [*(setting for found in instances for setting in found.top), *own]
    problems = [*reading.problems, *_differences(instances), *_duplicate_services(instances)]
    problems += _faults(instances, own)
    if problems or not instances:
        raise ConfigError(list({str(problem): problem for problem in problems}.values()))
    return Draft(tuple(_merged(tops)), tuple(instances), reading.left_out)


def _tried(read: Callable[[Path], Reading], path: Path) -> Reading:
    try:
        return read(path)
    except ConfigError as error:
        return Reading((), error.problems)


def _without(settings: Iterable[Setting], chosen: Mapping[str, Value]) -> tuple[Setting, ...]:
    return tuple(setting for setting in settings if setting.key not in chosen)


def _merged(settings: Iterable[Setting]) -> Iterator[Setting]:
    """Yield each key once: the first value is used, with a remark about different ones."""
    by_key: dict[str, list[Setting]] = {}
    for setting in settings:
        by_key.setdefault(setting.key, []).append(setting)
    for first, *others in by_key.values():
        differing = sorted({str(other.value) for other in others if other.value != first.value})
        text = f"{first.key}: other files have {', '.join(differing)}; an agent has only one value"
        remarks = (*first.remarks, *([Remark(text, Weight.TODO)] if differing else []))
        yield replace(first, remarks=tuple(dict.fromkeys(remarks)))


def _differences(instances: Sequence[Instance]) -> Iterator[Problem]:
    """Yield errors for settings that must be the same in all files."""
    seen: dict[str, tuple[str, Value]] = {}
    for instance in instances:
        for setting in instance.top:
            if setting.key not in ALIKE:
                continue
            where, value = seen.setdefault(setting.key, (instance.where, setting.value))
            if value != setting.value:
                text = (
                    f"sets {setting.key} to {_shown(setting.value)}, but {where} to {_shown(value)}: "
                    "an agent has only one value. Import the files of each agent separately"
                )
                yield Problem(instance.where, setting.origin, None, text)


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _duplicate_services(instances: Sequence[Instance]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for instance in instances:
        if instance.name in first:
            text = f"duplicate service {instance.name}, see {first[instance.name]}: import one node at a time"
            yield Problem(instance.where, "", None, text)
        first.setdefault(instance.name, instance.where)


def _faults(instances: Sequence[Instance], own: Sequence[Setting]) -> Iterator[Problem]:
    """Yield the errors of `check-config`, with the keys of the old files."""
    sections: dict[str, ServiceSection] = {}
    for instance in instances:
        yield from _agent_faults(instance, own)
        node = str(_given((*instance.top, *own)).get("node", ""))
        given = _given(instance.service)
        checked = check(ServiceSection, given, Place(instance.where))
        rules = rule_violations(checked.section, node, checked.broken, Place(instance.where))
        for problem in (*checked.problems, *rules):
            # An invalid own VIP is also in the pool.
            if not problem.key.startswith("vip") or problem.value != given.get("auth_ip"):
                yield _with_old_key(problem, instance.where, instance.service)
        yield from _name_faults(instance)
        sections[instance.name] = checked.section
    yield from shared_vips(sections, Place("together"))


def _agent_faults(instance: Instance, own: Sequence[Setting]) -> Iterator[Problem]:
    chosen = _given(own)
    try:
        load_store({**_given(instance.top), **chosen})
    except ConfigError as error:
        for problem in error.problems:
            # Ignore missing store libraries: the file may be for another machine.
            if problem.key != "--backend":
                key = problem.key.removeprefix("--").replace("-", "_")
                where = COMMAND_LINE if key in chosen else instance.where
                yield _with_old_key(replace(problem, key=key), where, (*instance.top, *own))


def _name_faults(instance: Instance) -> Iterator[Problem]:
    try:
        name(instance.name)
    except ValueError as error:
        yield Problem(instance.where, "the service's name", instance.name, str(error))


def _with_old_key(problem: Problem, where: str, settings: Iterable[Setting]) -> Problem:
    """Return a problem with the key of the old file, without an index of our lists."""
    origins = {setting.key: setting.origin for setting in settings}
    key = re.sub(r"^(\w+)(\[\d+\])?", lambda head: origins.get(head[1], head[1]), problem.key)
    return replace(problem, where=where, key=key)


def _given(settings: Iterable[Setting]) -> dict[str, Value]:
    return {setting.key: setting.value for setting in settings}
