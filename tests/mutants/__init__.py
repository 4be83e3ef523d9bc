"""Mutation testing of what decides: the core, the engine, ExaBGP's conversation and the store layer."""
