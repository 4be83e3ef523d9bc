"""Decisions of one service on one node, sans-I/O: events and the monotonic clock in, actions out."""
