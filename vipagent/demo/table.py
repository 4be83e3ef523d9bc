"""BGP routes of the demo's switch, parsed from the JSON of its ExaBGP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Table:
    """The paths of the switch, and the time without a path for each VIP.

    Args:
        vips: the VIPs to watch.
    """

    vips: tuple[str, ...]
    paths: dict[str, dict[str, int]] = field(default_factory=dict)
    """MED by VIP and peer address."""
    dark_since: dict[str, float] = field(default_factory=dict)
    longest_dark: float = 0.0
    """In seconds, since `watch_gaps`."""

    def take(self, line: str, now: float) -> bool:
        """Process one line of ExaBGP's JSON; return whether the table has changed."""
        try:
            message = json.loads(line)
            peer = message["neighbor"]["address"]["peer"]
        except (ValueError, KeyError, TypeError):
            return False
        before = {vip: dict(peers) for vip, peers in self.paths.items()}
        if message["type"] == "state" and message["neighbor"]["state"] == "down":
            for peers in self.paths.values():
                peers.pop(peer, None)
        elif message["type"] == "update":
            self._update(peer, message["neighbor"]["message"].get("update", {}))
        self._record_gaps(now)
        return before != self.paths

    def watch_gaps(self, now: float) -> None:
        """Restart the measurement."""
        self.longest_dark = 0.0
        self.dark_since = dict.fromkeys(self.dark_since, now)

    def best(self, vip: str) -> str | None:
        """Return the best peer for a VIP: lowest MED, then lowest address."""
        peers = self.paths.get(vip, {})
        return min(peers, key=lambda peer: (peers[peer], peer), default=None)

    def gap(self, now: float) -> float:
        """Return the longest time in seconds without a path for a VIP."""
        return max([self.longest_dark, *(now - since for since in self.dark_since.values())])

    def _update(self, peer: str, update: Mapping[str, Mapping[str, object]]) -> None:
        med = update.get("attribute", {}).get("med", 0)
        for nlri in _prefixes(update.get("withdraw", {})):
            self.paths.get(nlri, {}).pop(peer, None)
        for nlri in _prefixes(update.get("announce", {})):
            self.paths.setdefault(nlri, {})[peer] = med if isinstance(med, int) else 0

    def _record_gaps(self, now: float) -> None:
        for vip in self.vips:
            if self.paths.get(vip):
                since = self.dark_since.pop(vip, now)
                self.longest_dark = max(self.longest_dark, now - since)
            else:
                self.dark_since.setdefault(vip, now)


def _prefixes(families: Mapping[str, object]) -> list[str]:
    """Return the prefixes of all address families, which ExaBGP nests differently per direction."""
    found: list[str] = []
    waiting: list[object] = list(families.values())
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict) and "nlri" in item:
            found.append(str(item["nlri"]).removesuffix("/32"))
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found
