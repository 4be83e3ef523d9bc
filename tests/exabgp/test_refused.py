"""A configuration that cannot be used leaves ExaBGP and its other processes alone, and heals (E6)."""

import time
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, boxes
from tests.outside import environment, install

VIP = "10.20.255.1"
GOOD = {"apex": {"auth_ip": VIP, "rise": 1}}
ALONE = {OTHERS_ROUTE: None}
"""The table while the agent announces nothing."""
BROKEN = "node: ["
BAD = """
node: all
backend: nosuch
servics: {}
services:
  apex: {auth_ip: [10.0.0.1, 10.0.0.1], vip: 10.0.0.300, prepend: 2, community: "1:1\\nannounce"}
"""
COMPLAINTS = (
    "'all' is reserved for the maintenance of a whole service",
    "'nosuch' is not a known backend; installed:",
    "servics: unknown key: did you mean services?",
    "'10.0.0.300' is not a valid IP address",
    "'10.0.0.1' is listed twice",
    "2 requires local_as",
    "contains a control character",
)


def test_a_bad_configuration_harms_nobody_says_why_and_heals(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            box.launch()
        for box in both:
            box.wait_for(ALONE)
        since, pids = time.time(), [box.pid() for box in both]
        for box in both:
            box.wait_to_hear("agent.yaml: cannot be read: No such file or directory")
        for box in both:
            box.write(BROKEN)
            box.reload()
        for box in both:
            box.wait_to_hear("expected the node content")
            box.write(BAD)
        for box in both:
            for complaint in COMPLAINTS:
                box.wait_to_hear(complaint)
        for box in both:
            assert box.table() == ALONE
            box.configure(GOOD)
        for box in both:  # without a signal
            box.wait_for({**ALONE, VIP: 100})
            assert [change.prefix for change in box.switch.changes(since)] == [f"{VIP}/32"]
        assert [box.pid() for box in both] == pids


def test_a_library_that_is_installed_later_is_found_at_a_sighup(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_redis.py").write_text(
        "import late_client\nfrom vipagent_file import FileDriver\nclass Redis(FileDriver): pass\n"
    )
    install(site, "outside", {"redis": "outside_redis:Redis"}, extras=("redis",))
    with boxes(tmp_path, environment(site)) as both:
        for box in both:
            box.configure(GOOD, backend="redis")
            box.launch()
        pids = [box.pid() for box in both]
        for box in both:
            box.wait_to_hear("'redis' needs the library late_client: install outside with its extra [redis]")
            box.wait_for(ALONE)
        (site / "late_client.py").touch()
        for box in both:
            box.reload()
        for box in both:
            box.wait_for({**ALONE, VIP: 100})
        assert [box.pid() for box in both] == pids
