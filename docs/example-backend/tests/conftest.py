"""Plain asserts of the suite say what they saw."""

pytest_plugins = ["vipagent.testing.plugin"]
