"""The network: three load balancers behind a leaf-spine fabric, each machine a network namespace.

`python -m tests.lab up`, as root; docs/lab.md is the tour.
"""
