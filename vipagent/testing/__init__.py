"""The contract suite of a store's backend: `contract.BackendContract` and its companions, for pytest.

Its users name the plug-in in the `conftest.py` at the top of their tests:

    pytest_plugins = ["vipagent.testing.plugin"]
"""
