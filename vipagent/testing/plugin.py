"""The pytest plug-in: makes the suite's plain asserts say what they saw, as those of a test file do."""

import pytest

pytest.register_assert_rewrite(
    "vipagent.testing.death",
    "vipagent.testing.faults",
    "vipagent.testing.growth",
    "vipagent.testing.keys",
    "vipagent.testing.life",
    "vipagent.testing.recorder",
    "vipagent.testing.registering",
    "vipagent.testing.watching",
)
