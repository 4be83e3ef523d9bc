"""Selects the check for the settings."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from vipagent.checks.command import CommandCheck
from vipagent.checks.network import target
from vipagent.checks.outcome import Check
from vipagent.checks.settings import CheckSettings
from vipagent.checks.tcp import TcpCheck


def _http(url: str, settings: CheckSettings) -> Check:
    from vipagent.checks.http import HttpCheck  # noqa: PLC0415 - half a MB that other agents do without

    return HttpCheck(target(url), settings.timeout, settings.check_verify)


def _tcp(url: str, settings: CheckSettings) -> Check:
    return TcpCheck(target(url), settings.timeout)


BY_SCHEME: Mapping[str, Callable[[str, CheckSettings], Check]] = {"http": _http, "https": _http, "tcp": _tcp}
"""The check for each of `vipagent.checks.urls.SCHEMES`."""


def check_for(settings: CheckSettings) -> Check | None:
    """Return the check, or None if no check is configured."""
    if settings.command is not None:
        return CommandCheck(settings.command, settings.timeout)
    if settings.check is None:
        return None
    return BY_SCHEME[urlsplit(settings.check).scheme](settings.check, settings)
