"""The lab: three load balancers behind a leaf-spine fabric, each machine in a network namespace.

Start it with `python -m tests.lab up`, as root; see docs/lab.md.
"""
