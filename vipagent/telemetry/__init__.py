"""Status and counters of services and agents, as plain data, for the command line and `vipagent.web`."""
