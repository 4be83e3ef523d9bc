"""Plain data that the shell carries out."""

import logging

from vipagent.engine.effects import Level


def test_levels_are_those_of_logging() -> None:
    assert {level.name: level.value for level in Level} == {
        name: getattr(logging, name) for name in ("INFO", "WARNING", "ERROR")
    }
