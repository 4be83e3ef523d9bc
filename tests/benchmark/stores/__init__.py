"""The stores side by side: `python -m tests.benchmark.stores` writes the tables of docs/stores.md."""
