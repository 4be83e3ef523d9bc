"""`python -m vipagent` is the command `vipagent`."""

from vipagent.cli.main import main

main()
