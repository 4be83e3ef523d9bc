"""Who takes an orphan before this node does: found once for each decision, not once for each VIP (A2)."""

from collections.abc import Iterator
from functools import cached_property

from vipagent.core.moment import Moment
from vipagent.core.settings import ServiceSettings
from vipagent.core.view import View


class Takers:
    """The seats that may take orphans, at one moment.

    Args:
        settings: the service, as configured.
        view: what is known of its members.
        moment: of the decision.
        registered: whether the others see a registration of this node, and so count on it.
    """

    def __init__(self, settings: ServiceSettings, view: View, moment: Moment, *, registered: bool) -> None:
        self._settings = settings
        self._view = view
        self._moment = moment
        self._registered = registered

    def before_us(self, vip: str) -> Iterator[int]:
        """Return the seats with a node, alive or presumed to be, that take `vip` before we do."""
        return self._settings.preferences.before(vip, self._present, registered=self._registered)

    def rank(self, vip: str) -> int:
        """Return our rank for `vip` among those that take it."""
        if vip not in self._ranks:
            self._ranks[vip] = 1 + sum(1 for _ in self.before_us(vip))
        return self._ranks[vip]

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return self._settings.preferences.ranks(self._present, registered=self._registered)

    @cached_property
    def _present(self) -> tuple[int, ...]:
        view, moment = self._view, self._moment
        return tuple(
            number
            for number, seat in enumerate(self._settings.seats)
            if any(view.lives(taker) or view.presumes(taker, moment) for taker in seat)
        )
