"""Mutants that no test can find, because they do the same."""

from tests.mutants.listing import ROOT, Mutant

EQUIVALENT = {
    (
        "vipagent/core/events.py",
        "core/RemoveDecorator",
        "@overload",
    ): "it is there for the type checker alone",
    (
        "vipagent/core/registration.py",
        "core/ReplaceBinaryOperator_BitOr_BitXor",
        "return self._eligible(state, deadlines) | set(self._stale(state))",
    ): "a VIP is announced as its owner's, or it is not: none is in both sets",
    (
        "vipagent/core/preference.py",
        "core/NumberReplacer",
        "stride = max(1, round(count * GOLDEN_RATIO))",
    ): "of one place or two, both steps visit all in the same order",
    (
        "vipagent/exabgp/commands.py",
        "core/NumberReplacer",
        "for vip in [lost[0].vip] if alone else self._prefixes:",
    ): "what is alone is the first and the last",
    (
        "vipagent/exabgp/neighbors.py",
        "core/NumberReplacer",
        "self._waiting_since = 0.0",
    ): "it is read only while a question is open, and every question sets it",
    (
        "vipagent/store/session.py",
        "core/ReplaceUnaryOperator_USub_Not",
        "self.next_keep_alive = -math.inf",
    ): "it is read only after a sign of life was confirmed, which sets it",
}
"""Why, for a path, an operator, and the line that it changes."""


def reason(mutant: Mutant) -> str:
    """Return why the mutant is equivalent; empty if it is not known to be."""
    line = (ROOT / mutant.path).read_text().splitlines()[mutant.start[0] - 1].strip()
    return EQUIVALENT.get((mutant.path, mutant.operator, line), "")
