"""Converts configurations of ExaZK and of ExaBGP's healthcheck."""
