"""Agents of the real engine in virtual time, under faults drawn from a seed (Shape 2).

`python -m tests.simulation --seeds 10000 --faults 100` searches for a broken rule, and tells the seed, the
faults that it takes, and what happened. Real is the engine, as the agent runs it; modelled are the store,
ExaBGP, the machines and the clock.
"""
