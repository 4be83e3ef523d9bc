"""Thousands of VIPs change hands at once: a busy ExaBGP answers late, but nothing counts as lost (E5, N2).

`python -m tests.benchmark.crowd` does the same with 10,000 VIPs.
"""

from pathlib import Path

from tests.exabgp.box import boxes
from tests.exabgp.crowd import HOLD, Crowd, bad_signs, launch, wait_for_routes

SIZE = 2000
ROUTES_TIMEOUT = 60.0


def test_a_takeover_of_two_thousand_vips_closes_no_gate(tmp_path: Path) -> None:
    with boxes(tmp_path, hold=HOLD) as both:
        for box in both:
            with Crowd(box, SIZE) as crowd:
                launch(box, crowd)
                pid = box.pid()
                crowd.die()
                wait_for_routes(box, SIZE, ROUTES_TIMEOUT)
                crowd.prepare()
                crowd.register()
                wait_for_routes(box, 0, ROUTES_TIMEOUT)
                assert bad_signs(box) == []
                assert box.pid() == pid, "the watchdog has ended the agent"
            box.stop()
