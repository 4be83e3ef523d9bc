"""Comparison of the stores: `python -m tests.benchmark.stores` writes the tables of docs/stores.md."""
