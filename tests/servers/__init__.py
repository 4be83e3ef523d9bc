"""Real servers for the tests, each on free ports of loopback."""
