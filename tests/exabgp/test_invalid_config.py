"""An invalid configuration affects neither ExaBGP nor other processes, and can be corrected (E6)."""

import time
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, boxes
from tests.third_party import environment, install

VIP = "10.20.255.1"
VALID = {"apex": {"auth_ip": VIP, "rise": 1}}
WITHOUT_AGENT = {OTHERS_ROUTE: None}
"""The table while the agent announces nothing."""
NOT_YAML = "node: ["
INVALID = """
node: all
backend: nosuch
servics: {}
services:
  apex: {auth_ip: [10.0.0.1, 10.0.0.1], vip: 10.0.0.300, prepend: 2, community: "1:1\\nannounce"}
"""
ERRORS = (
    "'all' is reserved for the maintenance of a whole service",
    "'nosuch' is not a known backend; installed:",
    "servics: unknown key: did you mean services?",
    "'10.0.0.300' is not a valid IP address",
    "'10.0.0.1' is listed twice",
    "2 requires local_as",
    "contains a control character",
)


def test_an_invalid_configuration_is_reported_and_can_be_corrected(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            box.launch()
        for box in both:
            box.wait_for(WITHOUT_AGENT)
        since, pids = time.time(), [box.pid() for box in both]
        for box in both:
            box.wait_for_log("agent.yaml: cannot be read: No such file or directory")
        for box in both:
            box.write(NOT_YAML)
            box.reload()
        for box in both:
            box.wait_for_log("expected the node content")
            box.write(INVALID)
        for box in both:
            for error in ERRORS:
                box.wait_for_log(error)
        for box in both:
            assert box.table() == WITHOUT_AGENT
            box.configure(VALID)
        for box in both:  # the agent polls the file, without a signal
            box.wait_for({**WITHOUT_AGENT, VIP: 100})
            assert [change.prefix for change in box.switch.changes(since)] == [f"{VIP}/32"]
        assert [box.pid() for box in both] == pids


def test_a_library_that_is_installed_later_is_found_on_sighup(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_redis.py").write_text(
        "import late_client\nfrom vipagent_file import FileDriver\nclass Redis(FileDriver): pass\n"
    )
    install(site, "outside", {"redis": "outside_redis:Redis"}, extras=("redis",))
    with boxes(tmp_path, environment=environment(site)) as both:
        for box in both:
            box.configure(VALID, backend="redis")
            box.launch()
        pids = [box.pid() for box in both]
        for box in both:
            box.wait_for_log("'redis' needs the library late_client: install outside with its extra [redis]")
            box.wait_for(WITHOUT_AGENT)
        (site / "late_client.py").touch()
        for box in both:
            box.reload()
        for box in both:
            box.wait_for({**WITHOUT_AGENT, VIP: 100})
        assert [box.pid() for box in both] == pids
