"""The decisions, sans-I/O: events and a clock's reading in, actions out."""
