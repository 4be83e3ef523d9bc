"""The contract suite of a store's backend: `contract.BackendContract` and its companions, for pytest.

Nothing is imported here: pytest loads this package's plug-in into every run, which must cost nothing.
"""
