"""Which check the settings ask for."""

from vipagent.checks.command import CommandCheck
from vipagent.checks.http import HttpCheck
from vipagent.checks.network import endpoint
from vipagent.checks.outcome import Check
from vipagent.checks.settings import CheckSettings
from vipagent.checks.tcp import TcpCheck


def check_for(settings: CheckSettings) -> Check | None:
    """Return the check, or None if there is nothing to check."""
    if settings.command is not None:
        return CommandCheck(settings.command, settings.timeout)
    if settings.url is None:
        return None
    where = endpoint(settings.url)
    if where.scheme == "tcp":
        return TcpCheck(where, settings.timeout)
    return HttpCheck(where, settings.timeout, settings.verify)
