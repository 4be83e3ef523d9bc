"""Enables assertion rewriting for the suite."""

pytest_plugins = ["vipagent.testing.plugin"]
