import pytest

from vipagent.net.backoff import delay


def test_delays_double_with_jitter_up_to_the_maximum() -> None:
    assert delay(0) == delay(-3) == 0.0
    for failures, max_delay in [(1, 0.05), (2, 0.1), (3, 0.2), (5, 0.8), (6, 1.0), (10_000, 1.0)]:
        delays = [delay(failures) for _ in range(300)]
        assert max_delay / 2 <= min(delays) <= max(delays) <= max_delay
        assert max(delays) - min(delays) > max_delay / 4


@pytest.mark.parametrize(("failures", "max_delay"), [(1, 2.0), (3, 8.0), (9, 30.0)])
def test_other_bounds_are_respected(failures: int, max_delay: float) -> None:
    assert max_delay / 2 <= delay(failures, 2.0, 30.0) <= max_delay
