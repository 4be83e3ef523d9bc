"""`vipagent demo`: takeovers with real BGP on the loopback interface."""
