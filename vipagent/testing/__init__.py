"""The contract tests for backends: `contract.BackendContract` and related classes, for pytest.

Add the plug-in to the top-level `conftest.py` of the tests:

    pytest_plugins = ["vipagent.testing.plugin"]
"""
