"""The command line. The module of a subcommand is imported only when the subcommand runs."""
