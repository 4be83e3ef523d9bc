"""The property tests' examples."""

from tests import properties

properties.load()
