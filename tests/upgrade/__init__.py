"""Tests with an earlier version from the history of this repository."""
