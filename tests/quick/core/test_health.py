from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from vipagent.core.state import Health
from vipagent.types import CheckResult, CheckState

GOOD, BAD, DISABLED = CheckResult.GOOD, CheckResult.BAD, CheckResult.DISABLED

histories = st.lists(st.sampled_from([GOOD, GOOD, BAD, BAD, DISABLED]), max_size=40)
thresholds = st.integers(1, 5)


def expected(history: list[CheckResult], rise: int, fall: int) -> CheckState:
    """Return the state implied by the last sufficiently long run of equal results."""
    if history and history[-1] is DISABLED:
        return CheckState.DISABLED
    state = CheckState.STARTING
    for result, run in groupby(history):
        length = len(list(run))
        if result is DISABLED:
            state = CheckState.STARTING
        elif result is GOOD and length >= rise:
            state = CheckState.UP
        elif result is BAD and length >= fall:
            state = CheckState.DOWN
    return state


@given(history=histories, rise=thresholds, fall=thresholds)
def test_state_follows_the_last_sufficiently_long_run(
    history: list[CheckResult], rise: int, fall: int
) -> None:
    health = Health(rise, fall)
    for number, result in enumerate(history, 1):
        before = health.state
        changed = health.count(result)
        assert health.state is expected(history[:number], rise, fall)
        assert changed == (health.state is not before)


@given(history=histories, rise=thresholds, fall=thresholds)
def test_changing_until_the_state_agrees_with_the_last_result(
    history: list[CheckResult], rise: int, fall: int
) -> None:
    health = Health(rise, fall)
    assert health.changing
    for result in history:
        health.count(result)
        agreed = (health.state, result) in {
            (CheckState.UP, GOOD),
            (CheckState.DOWN, BAD),
            (CheckState.DISABLED, DISABLED),
        }
        assert health.changing == (not agreed)


def test_thresholds_may_change_at_runtime() -> None:
    health = Health(rise=3, fall=3)
    health.count(GOOD)
    health.rise = 2
    assert health.count(GOOD)
    assert health.state is CheckState.UP
    health.rise = 5
    assert not health.count(GOOD)
    assert health.state is CheckState.UP
