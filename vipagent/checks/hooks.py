"""The operator's commands that run when the state of the check changes (C2)."""

import asyncio
import logging

from vipagent.checks import process
from vipagent.checks.command import describe
from vipagent.checks.settings import HookSettings
from vipagent.types import CheckState

log = logging.getLogger(__name__)

TIME_LIMIT = 60.0
"""Seconds that each command may take."""


class Hooks:
    """Runs the commands of one service in the background, one at a time, those of one state after the other.

    If states change faster than their commands run, only the latest that waits is kept.

    Args:
        settings: the commands; each gets STATE (UP, DOWN or DISABLED, as from ExaBGP's healthcheck),
            VIPAGENT_SERVICE and VIPAGENT_NODE in its environment.
        service: the service's name.
        node: the node's name.
        time_limit: seconds after which a command is killed.
    """

    def __init__(
        self, settings: HookSettings, service: str, node: str, time_limit: float = TIME_LIMIT
    ) -> None:
        self._settings = settings
        self._service = service
        self._env = {"VIPAGENT_SERVICE": service, "VIPAGENT_NODE": node}
        self._time_limit = time_limit
        self._waiting: CheckState | None = None
        self._task: asyncio.Task[None] | None = None

    def changed(self, state: CheckState) -> None:
        """Take the new state of the check; never waits."""
        if not any(map(self._settings.commands, CheckState)):
            return
        if self._waiting is not None:
            log.warning(
                "hooks skipped: those before still run", extra={"fields": self._fields(self._waiting)}
            )
        self._waiting = state
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    def stop(self) -> None:
        """Kill what runs, forget what waits."""
        self._waiting = None
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while self._waiting is not None:
            state, self._waiting = self._waiting, None
            for command in self._settings.commands(state):
                await self._run(state, command)

    async def _run(self, state: CheckState, command: str) -> None:
        fields = {**self._fields(state), "command": command}
        try:
            finished = await process.run(command, {**self._env, "STATE": state.name}, self._time_limit)
        except (OSError, ValueError) as error:
            log.warning("hook failed", extra={"fields": {**fields, "error": str(error)}})
            return
        if finished.status != 0:
            error_text = describe(finished, self._time_limit)
            log.warning("hook failed", extra={"fields": {**fields, "error": error_text}})

    def _fields(self, state: CheckState) -> dict[str, object]:
        return {"service": self._service, "state": state}
