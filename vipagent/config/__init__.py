"""The configuration: a YAML file or a command line in, plain validated data or a list of problems out."""
