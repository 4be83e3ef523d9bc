"""Coordinates services, ExaBGP, BGP neighbours and the store, sans-I/O (Shape 2)."""
