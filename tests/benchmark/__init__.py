"""Compare agent and ExaBGP's healthcheck: `python -m tests.benchmark` writes README's table."""
