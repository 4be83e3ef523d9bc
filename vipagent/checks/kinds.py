"""Selects the check for the settings."""

from vipagent.checks.command import CommandCheck
from vipagent.checks.network import target
from vipagent.checks.outcome import Check
from vipagent.checks.settings import CheckSettings
from vipagent.checks.tcp import TcpCheck


def check_for(settings: CheckSettings) -> Check | None:
    """Return the check, or None if no check is configured."""
    if settings.command is not None:
        return CommandCheck(settings.command, settings.timeout)
    if settings.url is None:
        return None
    asked = target(settings.url)
    if asked.scheme == "tcp":
        return TcpCheck(asked, settings.timeout)
    from vipagent.checks.http import HttpCheck  # noqa: PLC0415 - half a MB that other agents do without

    return HttpCheck(asked, settings.timeout, settings.verify)
