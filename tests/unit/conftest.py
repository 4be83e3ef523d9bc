"""Configuration of the property tests."""

from tests import properties

properties.load()
