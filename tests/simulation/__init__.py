"""Simulation of agents in virtual time, with faults generated from a seed (Shape 2).

`python -m tests.simulation --seeds 10000 --faults 100` searches for violations and prints the seed, a minimal
set of faults and the timeline of each. The engine is the real one; the store, ExaBGP, the machines and the
clock are models.
"""
