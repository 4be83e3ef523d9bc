"""Every reason, state, rule and log message is documented."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.markdown import DOCS, ROOT
from vipagent.engine.history import CAUSES
from vipagent.telemetry.problems import Fault
from vipagent.telemetry.summary import ABSENT, NO_AGENT, PENDING, SERVING, TROUBLES
from vipagent.types import RULE_BY_REASON, CheckState, Reason, SessionState, StoreState

REASONS = (DOCS / "reference" / "reasons.md").read_text()
RULES_PAGE = (DOCS / "reference" / "rules.md").read_text()
DRAWING = (DOCS / "life-of-a-vip.svg").read_text()
LOG_PAGE = (DOCS / "operations" / "debugging.md").read_text()
LOGGING = {"info", "warning", "error", "exception"}
RULE = "[AGHLECSNO][0-9]{1,2}"
"""Regular expression of a rule's name."""


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_a_row_with_its_rule(reason: Reason) -> None:
    rows = [line for line in REASONS.splitlines() if line.startswith(f"| `{reason}` |")]
    assert len(rows) == 1, "docs/reference/reasons.md"
    rule = rows[0].rstrip("| ").rpartition("| ")[2]
    assert rule.startswith(f"[{RULE_BY_REASON[reason]}](rules.md#"), (
        "docs/reference/reasons.md, the last column"
    )


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_drawn(reason: Reason) -> None:
    assert f">{reason}</text>" in DRAWING, "docs/life-of-a-vip.svg: draw it"


def test_reasons_are_in_the_order_in_which_they_count() -> None:
    rows = [row for row in re.findall(r"^\| `([a-z-]+)` \|", REASONS, re.MULTILINE) if row in set(Reason)]
    barring = [
        Reason.STOPPING,
        Reason.MAINTENANCE_SERVICE,
        Reason.CHECK_DOWN,
        Reason.NO_ADDRESS,
        Reason.STARTING,
    ]
    others = [Reason.DRAINING, Reason.CONFLICT, Reason.OWNER, Reason.STORE_UNKNOWN, Reason.NO_BGP]
    assert [row for row in rows if row in {*barring, *others}] == [*barring, *others]


@pytest.mark.parametrize(
    "word",
    [
        *StoreState,
        *CheckState,
        SERVING,
        NO_AGENT,
        ABSENT,
        PENDING,
        *Fault,
        *SessionState,
        *TROUBLES,
        *CAUSES.values(),
    ],
)
def test_a_state_or_cause_is_there(word: str) -> None:
    assert f"`{word}`" in REASONS


def test_every_rule_that_the_code_names_is_there() -> None:
    sources = [path for top in ("vipagent", "backends") for path in (ROOT / top).rglob("*.py")]
    named = {rule for path in sources for rule in _rules(path.read_text())}
    explained = set(re.findall(rf"^\| ({RULE}) \|", RULES_PAGE, re.MULTILINE))
    assert named - explained == set()
    assert set(RULE_BY_REASON.values()) <= explained


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deregisters at once (G2, N10)", ["G2", "N10"]),
        ("O1-O10", ["O1", "O10"]),
        ("RFC 4271, 10.0.0.1, N100, AS65001, E12a", []),
    ],
)
def test_a_rule_is_recognized_by_its_whole_name(text: str, expected: list[str]) -> None:
    assert _rules(text) == expected


def test_every_line_of_the_agent_s_log_is_explained() -> None:
    missing = [
        message
        for message in _logged()
        if f"`{message.partition(':')[0].partition('%')[0].strip()}" not in LOG_PAGE
    ]
    assert missing == []


def _rules(text: str) -> list[str]:
    """Return the rules named in a text."""
    return re.findall(rf"\b{RULE}\b", text)


def _logged() -> Iterator[str]:
    """Yield the log messages that are literals in the code."""
    for part in ("agent", "checks", "engine", "web"):
        source = "\n".join(path.read_text() for path in (ROOT / "vipagent" / part).glob("*.py"))
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log" | "Log"), attr=level),
                    args=[ast.Constant(value=str(message)), *_],
                ) if level in LOGGING and not message.startswith("%"):
                    yield message


def test_the_tests_that_show_what_an_attacker_cannot_do_are_there() -> None:
    cited = re.findall(r"`(tests/[^`]+)`", (ROOT / "SECURITY.md").read_text())
    assert cited
    assert [path for path in cited if not (ROOT / path).exists()] == []
