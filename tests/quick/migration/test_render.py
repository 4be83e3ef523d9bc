"""A rendered file contains exactly the settings of the draft."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vipagent.migration.draft import Draft, Instance, Remark, Setting
from vipagent.migration.render import text

HOSTILE = [
    "a\nb: c",
    "x # y",
    "- a",
    "'",
    '"',
    "\\",
    "null",
    "on",
    "007",
    "65000:1",
    "{a",
    "a: ",
    "\u2028",
    "\x85",
]


def rendered(value: str) -> str:
    service = Instance(
        value, "apex", (), (Setting("command", value, "c", (Remark(value),)),), (Remark(value),)
    )
    draft = Draft((Setting("hosts", (value, value), "h", (Remark(value),)),), (service,))
    return text(draft, f"vipagent import {value}")


def means(value: str) -> None:
    shown = rendered(value)
    data = yaml.load(shown, yaml.BaseLoader)
    assert data == {"hosts": [value, value], "services": {"apex": {"command": value}}}
    keys = [line for line in shown.splitlines() if not line.lstrip().startswith("#")]
    assert len(keys) == 4


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_values(value: str) -> None:
    means(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_value_stays_a_value(value: str) -> None:
    means(value)
