"""What can be said of a service and of an agent: plain data, for the command line and for `vipagent.web`."""
