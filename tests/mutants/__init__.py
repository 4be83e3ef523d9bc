"""Mutation testing of the decision logic: core, engine, ExaBGP's API and the store layer."""
