"""A configuration that is being made from others: settings that know where they come from, and remarks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from vipagent.config.problems import Problem

Value = str | tuple[str, ...]
"""As text: the schema says what it is."""


class Weight(StrEnum):
    """What a remark asks of whoever reads it."""

    NOTE = "note"
    TODO = "todo"
    """A human has to decide something."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment for the new file."""

    text: str
    weight: Weight = Weight.NOTE


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the new file."""

    key: str
    value: Value
    origin: str
    """The key or option that it comes from, in the words of the old file."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """A process that is to be replaced: one service of this node."""

    where: str
    """Its file."""
    name: str
    """The service's."""
    top: tuple[Setting, ...]
    """What it says of the agent as a whole."""
    service: tuple[Setting, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file has come to."""

    instances: tuple[Instance, ...]
    problems: tuple[Problem, ...] = ()
    left_out: tuple[Problem, ...] = ()
    """What does not become a service, and why."""

    def remarked(self, remarks: tuple[Remark, ...]) -> "Reading":
        """Return it with further remarks about each of its services."""
        more = (replace(found, remarks=(*found.remarks, *remarks)) for found in self.instances)
        return replace(self, instances=tuple(more))


@dataclass(frozen=True, slots=True)
class Draft:
    """The new file."""

    top: tuple[Setting, ...]
    services: tuple[Instance, ...]
    left_out: tuple[Problem, ...] = ()


def gathered(readings: Iterable[Reading]) -> Reading:
    """Return several readings as one."""
    read = tuple(readings)
    return Reading(
        tuple(instance for reading in read for instance in reading.instances),
        tuple(problem for reading in read for problem in reading.problems),
        tuple(left for reading in read for left in reading.left_out),
    )


def todos(draft: Draft) -> list[tuple[str, str]]:
    """Return all that is left to a human: each with the service that it is about."""
    found = []
    for service in draft.services:
        inside = (*service.remarks, *(remark for setting in service.service for remark in setting.remarks))
        found += [(service.name, remark.text) for remark in inside if remark.weight is Weight.TODO]
    at_top = (remark for setting in draft.top for remark in setting.remarks)
    return [("all", remark.text) for remark in at_top if remark.weight is Weight.TODO] + found
