"""Mutants that no test can detect, because their behaviour is the same."""

from tests.mutants.listing import ROOT, Mutant

EQUIVALENT = {
    (
        "vipagent/core/events.py",
        "core/RemoveDecorator",
        "@overload",
    ): "only the type checker uses it",
    (
        "vipagent/core/registration.py",
        "core/ReplaceBinaryOperator_BitOr_BitXor",
        "return self._eligible(state, deadlines) | set(self._stale(state))",
    ): "the sets are disjoint: eligible VIPs are announced as their owner, stale ones are not",
    (
        "vipagent/core/preference.py",
        "core/NumberReplacer",
        "stride = max(1, round(count * GOLDEN_RATIO))",
    ): "with one or two places, both strides visit all in the same order",
    (
        "vipagent/exabgp/commands.py",
        "core/NumberReplacer",
        "for vip in [lost[0].vip] if alone else self._prefixes.by_vip:",
    ): "a single command is both the first and the last",
    (
        "vipagent/exabgp/neighbors.py",
        "core/NumberReplacer",
        "self._waiting_since = 0.0",
    ): "it is read only while a query is open, and every query sets it",
    (
        "vipagent/store/session.py",
        "core/ReplaceUnaryOperator_USub_Not",
        "self.next_keep_alive = -math.inf",
    ): "it is read only after a keep-alive was confirmed, which sets it",
}
"""The reason by path, operator, and changed line."""


def reason(mutant: Mutant) -> str:
    """Return why the mutant is equivalent; empty if it is not known to be."""
    line = (ROOT / mutant.path).read_text().splitlines()[mutant.start[0] - 1].strip()
    return EQUIVALENT.get((mutant.path, mutant.operator, line), "")
