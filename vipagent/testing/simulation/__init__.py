"""Agents of the real core in virtual time, under faults drawn from a seed (Shape 3).

`python -m vipagent.testing.simulation --seeds 10000 --faults 100` searches for a broken rule, and tells the
seed, the faults that it takes, and what happened. Real are `vipagent.core`, the conversation with ExaBGP, and
the reading of what lies in the store; modelled are the store, ExaBGP, the machines and the clock.
"""
