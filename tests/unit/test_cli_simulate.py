import json

import pytest
from click.testing import CliRunner, Result

from vipagent.cli.main import cli


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["simulate", *arguments], catch_exceptions=False)


def test_all_policies_are_shown_as_tables() -> None:
    result = simulate("--nodes", "5", "--vips", "20", "--second", "1")
    assert result.exit_code == 0
    for policy in ("all", "one", "ranked"):
        assert f"takeover: {policy}" in result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["1", "dies", "1", "4", "4", "0", "5", "5", "0"] in lines
    assert ["1", "more", "dies", "2", "8", "5", "0", "6", "8", "2"] in lines
    assert ["2", "come", "back", "0", "0", "9", "0", "4", "4", "0"] in lines
    assert "every survivor" in result.output
    assert ", then node" in result.output


def test_one_policy_as_json() -> None:
    arguments = ("--nodes", "10", "--kill", "2", "--second", "1", "--takeover", "one", "--json")
    result = simulate(*arguments)
    assert result.output == simulate(*arguments).output
    (policy,) = json.loads(result.output)
    assert policy["takeover"] == "one"
    first, second = policy["deaths"]
    assert (first["dead"], first["moved"], second["dead"]) == (2, 2, 3)
    assert len(second["takers"]) == 3
    assert all(len(takers) == 1 for takers in second["takers"].values())
    assert [one["dead"] for one in policy["returns"]] == [2, 1, 0]


def test_seed_selects_the_dead_nodes() -> None:
    drawn = {
        tuple(
            json.loads(simulate("--nodes", "50", "--seed", seed, "--json").output)[0]["deaths"][0]["takers"]
        )
        for seed in "0123"
    }
    assert len(drawn) > 1


def test_rack_selects_adjacent_nodes() -> None:
    result = simulate("--nodes", "10", "--kill", "3", "--rack", "--takeover", "one", "--json")
    (policy,) = json.loads(result.output)
    numbers = sorted(int(vip.split(".")[3]) for vip in policy["deaths"][0]["takers"])
    assert any(sorted((first + n) % 10 or 10 for n in range(3)) == numbers for first in range(10))


def test_long_lists_are_truncated_on_a_terminal() -> None:
    assert "... and 80 more (--json)" in simulate("--nodes", "2", "--vips", "200", "--takeover", "one").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nodes", "2", "--vips", "1"), "1 VIP for 2 nodes: each node must own at least one"),
        (("--nodes", "3", "--kill", "3"), "of 3 nodes, at most 2 can die: one must survive"),
        (("--nodes", "3", "--kill", "2", "--second", "1"), "of 3 nodes, at most 2 can die"),
        (("--nodes", "3", "--vips", "2"), "2 VIPs for 3 nodes: each node must own at least one"),
        (("--takeover", "some"), "'some' is not one of 'all', 'one', 'ranked'"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: tuple[str, ...], message: str) -> None:
    result = simulate(*arguments)
    assert result.exit_code == 2
    assert message in result.output
