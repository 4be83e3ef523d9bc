"""Configuration: validates a YAML file or a command line and returns plain data or a list of problems."""
