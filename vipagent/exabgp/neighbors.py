"""Which BGP neighbours of ExaBGP are established (E5)."""


class Neighbors:
    """The established neighbours, as far as ExaBGP has said."""

    def __init__(self) -> None:
        self._established: set[str] = set()

    @property
    def established(self) -> int:
        """How many neighbours are established."""
        return len(self._established)

    def changed(self, peer: str, established: bool) -> bool:
        """Take one neighbour's state; return whether that is news. `down` repeats at every retry."""
        if established == (peer in self._established):
            return False
        (self._established.add if established else self._established.discard)(peer)
        return True
