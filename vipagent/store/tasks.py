"""Tasks that end together."""

import asyncio
from types import TracebackType


class Tasks(asyncio.TaskGroup):
    """A task group that raises the first fault itself, not a group of faults."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all tasks, or end them with the first fault of any."""
        try:
            await super().__aexit__(kind, error, trace)
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
