"""The agent beside ExaBGP's healthcheck, in one run: `python -m tests.benchmark` writes README's table."""
