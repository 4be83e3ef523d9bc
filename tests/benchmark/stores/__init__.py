"""The stores in parallel: `python -m tests.benchmark.stores` writes the tables of docs/stores.md."""
