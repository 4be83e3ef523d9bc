"""The pytest plug-in: enables assertion rewriting for the suite."""

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
