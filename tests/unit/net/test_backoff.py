import pytest

from vipagent.net.backoff import delay


def test_each_delay_is_twice_the_last_with_jitter_up_to_the_longest() -> None:
    assert delay(0) == delay(-3) == 0.0
    for failures, longest in [(1, 0.05), (2, 0.1), (3, 0.2), (5, 0.8), (6, 1.0), (10_000, 1.0)]:
        seen = [delay(failures) for _ in range(300)]
        assert longest / 2 <= min(seen) <= max(seen) <= longest
        assert max(seen) - min(seen) > longest / 4


@pytest.mark.parametrize(("failures", "longest"), [(1, 2.0), (3, 8.0), (9, 30.0)])
def test_other_bounds(failures: int, longest: float) -> None:
    assert longest / 2 <= delay(failures, 2.0, 30.0) <= longest
