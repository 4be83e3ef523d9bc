"""Limits used by other tests: leak detection and scaled timeouts."""

import random

import pytest

from tests.servers.process import wait_for
from vipagent.testing import growth
from vipagent.testing.slowness import VARIABLE, allowed


def readings(each: float = 0.0, noise: float = 0.0, jump: float = 0.0, spike: float = 0.0) -> list[float]:
    """Return the memory in use after each of ten iterations."""
    chance = random.Random(1)
    held = [1000 + each * turn + chance.uniform(-noise, noise) + jump * (turn >= 5) for turn in range(10)]
    held[-1] += spike
    return held


def test_a_leak_is_found_in_noise_much_larger_than_itself() -> None:
    assert growth.slope(readings(each=20, noise=60)) == pytest.approx(20, rel=0.5)
    with pytest.raises(AssertionError, match=r"KiB: grows by \d+\.?\d* per reading, limit 10: \["):
        growth.check("KiB", readings(each=20, noise=60), 10)


@pytest.mark.parametrize(
    "held", [readings(noise=30), readings(spike=300), readings(jump=60), readings(noise=10, spike=-300)]
)
def test_spikes_and_steps_are_not_leaks(held: list[float]) -> None:
    growth.check("KiB", held, 10)


def test_readings_are_taken_after_each_iteration() -> None:
    done: list[int] = []
    held = growth.read(lambda: done.append(0), lambda: len(done), lambda: -len(done), times=3)
    assert held == [[1, 2, 3], [-1, -2, -3]]


def test_slowness_factor_scales_all_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert allowed(2.0) == 2.0
    with pytest.raises(AssertionError, match=r"not within 0\.02 s"):
        wait_for("never", lambda: False, 0.02)
    monkeypatch.setenv(VARIABLE, "2.5")
    assert allowed(2.0) == 5.0
    with pytest.raises(AssertionError, match=r"not within 0\.05 s"):
        wait_for("never", lambda: False, 0.02)


@pytest.mark.parametrize("factor", ["fast", "0.5", "nan", "inf", "-1"])
def test_invalid_slowness_factors_are_rejected(monkeypatch: pytest.MonkeyPatch, factor: str) -> None:
    monkeypatch.setenv(VARIABLE, factor)
    with pytest.raises(ValueError, match=f"VIPAGENT_SLOWNESS: '{factor}' is not a factor between 1 and 100"):
        allowed(1.0)
