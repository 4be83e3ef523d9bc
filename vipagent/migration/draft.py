"""A generated configuration: settings with their origin, and remarks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from vipagent.config.problems import Problem

Value = str | tuple[str, ...]
"""A value as text, which the schema parses."""


class Weight(StrEnum):
    """Kind of a remark."""

    NOTE = "note"
    TODO = "todo"
    """The operator must make a decision."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment in the new file."""

    text: str
    weight: Weight = Weight.NOTE


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the new file."""

    key: str
    value: Value
    origin: str
    """The original key or option."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """A process to be replaced: one service of this node."""

    where: str
    """The original file."""
    name: str
    """Settings of the service."""
    top: tuple[Setting, ...]
    """Settings of the agent."""
    service: tuple[Setting, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """Result of reading a file."""

    instances: tuple[Instance, ...]
    problems: tuple[Problem, ...] = ()
    left_out: tuple[Problem, ...] = ()
    """Skipped processes, with the reason."""

    def remarked(self, remarks: tuple[Remark, ...]) -> "Reading":
        """Return a copy with additional remarks for each service."""
        more = (replace(found, remarks=(*found.remarks, *remarks)) for found in self.instances)
        return replace(self, instances=tuple(more))


@dataclass(frozen=True, slots=True)
class Draft:
    """The new file."""

    top: tuple[Setting, ...]
    services: tuple[Instance, ...]
    left_out: tuple[Problem, ...] = ()


def gathered(readings: Iterable[Reading]) -> Reading:
    """Combine several readings."""
    read = tuple(readings)
    return Reading(
        tuple(instance for reading in read for instance in reading.instances),
        tuple(problem for reading in read for problem in reading.problems),
        tuple(left for reading in read for left in reading.left_out),
    )


def todos(draft: Draft) -> list[tuple[str, str]]:
    """Return all open decisions, each with its service."""
    found = []
    for service in draft.services:
        inside = (*service.remarks, *(remark for setting in service.service for remark in setting.remarks))
        found += [(service.name, remark.text) for remark in inside if remark.weight is Weight.TODO]
    at_top = (remark for setting in draft.top for remark in setting.remarks)
    return [("all", remark.text) for remark in at_top if remark.weight is Weight.TODO] + found
