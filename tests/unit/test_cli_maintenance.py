from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.cli_helpers import Site, operate, run_during_session, site, vipagent
from vipagent.store.layout import Kind
from vipagent.store.records import Maintenance, VipState

__all__ = ["site"]
VIP = "10.0.0.1"
OWN = VipState("owner", 0, owned=True)
AWAY = VipState("maintenance-node", owned=True)


def test_start_and_end_maintenance_of_a_node(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    before = datetime.now(UTC).replace(microsecond=0)
    assert operate("maintenance", "on", "apex", "--node", "node2", "--reason", "new disk") == 0
    key = site.maintenance()["node2"]
    assert key["reason"] == "new disk"
    assert key["by"].startswith("ann@")
    assert before <= datetime.fromisoformat(key["since"]) <= datetime.now(UTC)
    assert "now" not in key
    assert capsys.readouterr().out == "apex on node2: in maintenance\n"

    assert operate("maintenance", "list", "apex") == 0
    assert capsys.readouterr().out.startswith(
        f"apex on node2: in maintenance by {key['by']} since {key['since']}: new disk"
    )

    assert operate("maintenance", "off", "apex", "--node", "node2") == 0
    assert site.maintenance() == {}
    assert operate("maintenance", "off", "apex", "--node", "node2") == 0
    assert (
        capsys.readouterr().out == "apex on node2: maintenance ended\napex on node2: was not in maintenance\n"
    )


def test_maintenance_of_a_whole_service_without_drain(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate("maintenance", "on", "apex", "--now") == 0
    assert site.maintenance()["all"]["now"] is True
    assert operate("maintenance", "off", "apex") == 0
    assert capsys.readouterr().out == "apex: in maintenance\napex: maintenance ended\n"


def test_list_shows_foreign_keys_and_skips_invalid_ones(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.put(Kind.MAINTENANCE, "node1")
    site.put(Kind.MAINTENANCE, "\x1b[31mnode", b"{}")
    site.put(Kind.MAINTENANCE, "all", Maintenance(reason="a\nb").dump())
    assert operate("maintenance", "list", "apex") == 0
    assert capsys.readouterr().out == "apex: in maintenance: a?b\napex on node1: in maintenance\n"


def test_wait_returns_when_the_node_announces_nothing(site: Site) -> None:
    site.state("node1", {VIP: OWN})
    site.state("node2", {VIP: VipState("hot-standby", 1)})
    drained = run_during_session(lambda: site.state("node1", {VIP: AWAY}), site)
    assert operate("maintenance", "on", "apex", "--node", "node1", "--wait", "--timeout", "10") == 0
    drained.join()


def test_wait_for_a_service_waits_for_all_nodes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.state("node1", {VIP: OWN})
    site.state("node2", {VIP: VipState("hot-standby", 1)})
    half = run_during_session(lambda: site.state("node1", {VIP: AWAY}), site)
    assert operate("maintenance", "on", "apex", "--wait", "--timeout", "2") == 1
    half.join()
    assert capsys.readouterr().err == f"still announced after 2 s: {VIP}: node2, rank 1 (hot-standby)\n"
    site.state("node2", {VIP: AWAY})
    assert operate("maintenance", "on", "apex", "--wait") == 0


def test_wait_fails_for_a_node_without_a_published_state(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operate("maintenance", "on", "apex", "--node", "nodeX", "--wait", "--timeout", "0.05") == 1
    assert "nodeX: publishes no state" in capsys.readouterr().err
    assert "nodeX" in site.maintenance()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("on", "Missing argument 'SERVICE'"),
        ("on apex --node all", "'all' is reserved"),
        ("on apex --node a/b", "'a/b' is not a valid name"),
        ("on a/b", "'a/b' is not a valid name"),
        ("on apex --timeout 0", "--timeout"),
        ("on apex --prefix x", "command line: --prefix: 'x' is not a valid absolute path"),
        ("off apex --config /nowhere", "cannot be combined with --backend"),
        ("list", "missing SERVICE"),
    ],
)
def test_usage_errors_exit_2_and_change_nothing(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: str, text: str
) -> None:
    assert operate("maintenance", *arguments.split()) == 2
    assert text in capsys.readouterr().err
    assert site.maintenance() == {}


def test_unreachable_store_exits_1_and_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["on", "apex"], ["off", "apex"], ["list", "apex"]):
        assert vipagent("maintenance", *command, "--hosts", "away.example:1") == 1
        captured = capsys.readouterr()
        assert captured.err == "store: away.example:1: Connection refused\n"
        assert captured.out == ""


def test_store_and_services_are_read_from_the_file(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "{node: n, hosts: h:1, prefix: /x, services: {apex: {auth_ip: 10.0.0.1}, web: {auth_ip: 10.0.0.2}}}"
    )
    assert vipagent("maintenance", "on", "apex", "--config", str(path)) == 0
    assert site.opened[-1].settings.hosts == ("h:1",)
    assert site.opened[-1].settings.prefix == "/x"
    assert site.opened[-1].settings.node == "operator"
    assert vipagent("maintenance", "list", "--config", str(path)) == 0
    assert vipagent("maintenance", "on", "apexx", "--config", str(path)) == 2
    assert (
        "no service 'apexx' in the configuration: configured services are apex, web"
        in capsys.readouterr().err
    )
