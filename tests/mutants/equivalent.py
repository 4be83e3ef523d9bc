"""Equivalent mutants: no test can find them, because the behaviour is unchanged."""

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
    ): "the sets are disjoint: one has announced VIPs, the other has VIPs that are not announced",
    (
        "vipagent/core/preference.py",
        "core/NumberReplacer",
        "stride = max(1, round(count * GOLDEN_RATIO))",
    ): "with one or two positions, both strides give the same order",
    (
        "vipagent/exabgp/commands.py",
        "core/NumberReplacer",
        "for vip in [lost[0].vip] if alone else self._prefixes:",
    ): "an unconfirmed command is the only one in flight, so first and last are the same",
    (
        "vipagent/exabgp/neighbors.py",
        "core/NumberReplacer",
        "self._waiting_since = 0.0",
    ): "it is read only while a query is unanswered, and every first query sets it",
    (
        "vipagent/store/session.py",
        "core/ReplaceUnaryOperator_USub_Not",
        "self.next_keep_alive = -math.inf",
    ): "it is read only after a confirmed keep-alive, which sets it",
}
"""The reason, by path, operator and changed line."""


def reason(mutant: Mutant) -> str:
    """Return why the mutant is equivalent; empty if it is not known to be."""
    line = (ROOT / mutant.path).read_text().splitlines()[mutant.start[0] - 1].strip()
    return EQUIVALENT.get((mutant.path, mutant.operator, line), "")
