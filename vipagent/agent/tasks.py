"""What runs on the loop for one service: its check, and its hooks (C1, C2)."""

import asyncio
from collections.abc import Callable

from vipagent.checks.hooks import Hooks
from vipagent.checks.runner import CheckRunner
from vipagent.config.settings import ServiceConfig
from vipagent.core.events import CheckFinished
from vipagent.types import CheckState


class ServiceTasks:
    """The check and the hooks of one service; they start at once.

    Args:
        config: the service, as configured.
        deliver: takes each result of the check.
        changing: whether the check's state is about to change, so that the next run comes sooner.
    """

    def __init__(
        self, config: ServiceConfig, deliver: Callable[[CheckFinished], None], changing: Callable[[], bool]
    ) -> None:
        self._config = config
        self._deliver = deliver
        self._changing = changing
        self._hooks = self._new_hooks()
        self._checks = self._start_checks()

    def reconfigure(self, config: ServiceConfig) -> None:
        """Replace the configuration; what stays the same goes on."""
        before, self._config = self._config, config
        if config.hooks != before.hooks:
            self._hooks = self._new_hooks()
        if config.check != before.check:
            self._checks.cancel()
            self._checks = self._start_checks()

    def run_hook(self, state: CheckState) -> None:
        """Run the operator's commands for this state."""
        self._hooks.changed(state)

    def stop(self) -> None:
        """End the check, and the hooks that run."""
        self._checks.cancel()
        self._hooks.stop()

    def _new_hooks(self) -> Hooks:
        return Hooks(self._config.hooks, self._config.name, self._config.core.node)

    def _start_checks(self) -> asyncio.Task[None]:
        runner = CheckRunner(self._config.check, self._deliver, self._changing)
        return asyncio.get_running_loop().create_task(runner.run())
