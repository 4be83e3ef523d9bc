"""The plain data that documentation and manual pages are made from."""

from dataclasses import fields

from vipagent.cli.catalog import commands
from vipagent.cli.reader import command as run
from vipagent.config.catalog import SERVICE_PATH, keys
from vipagent.config.schema import AgentSection, ServiceSection

BY_NAME = {command.name: command for command in commands()}
BY_PATH = {key.path: key for key in keys()}


def test_every_command_is_there_with_groups_before_what_is_in_them() -> None:
    names = list(BY_NAME)
    assert names[0] == "vipagent"
    assert names.index("vipagent maintenance") < names.index("vipagent maintenance on")
    assert {"vipagent run", "vipagent status", "vipagent backends", "vipagent check-config"} <= set(names)


def test_the_options_of_run_are_those_that_its_child_reads() -> None:
    found = {name for option in BY_NAME["vipagent run"].options for name in option.names}
    assert {name for option in run.params for name in option.opts} <= found


def test_an_option_is_taken_apart() -> None:
    by_names = {option.names: option for option in BY_NAME["vipagent run"].options}
    interval = by_names["-i", "--interval"]
    assert (interval.metavar, interval.default) == ("SECONDS", "default: 5")
    assert interval.text == "Interval between checks, in seconds."
    assert by_names["--ip-setup",].metavar == ""
    assert by_names["-h", "--help"].default == ""


def test_usage_names_the_arguments() -> None:
    assert BY_NAME["vipagent maintenance on"].usage == "vipagent maintenance on [OPTIONS] SERVICE"


def test_what_keeps_its_lines_is_marked_as_click_has_it() -> None:
    """A docstring with an `r` in front would show the mark."""
    marked = {command.name for command in BY_NAME.values() if "\b\n" in command.text}
    assert {"vipagent status", "vipagent simulate"} <= marked
    assert [command.name for command in BY_NAME.values() if "\\b" in command.text] == []


def test_every_key_is_there_with_those_of_its_sections() -> None:
    top = {path for path in BY_PATH if "." not in path}
    assert top == {option.name for option in fields(AgentSection)}
    of_service = {path.removeprefix(f"{SERVICE_PATH}.") for path in BY_PATH if path.startswith(SERVICE_PATH)}
    assert {path for path in of_service if "." not in path} == {
        option.name for option in fields(ServiceSection)
    }
    assert {"flap_hold.window", "roles.primary.community", "roles.standby.local_preference"} <= of_service


def test_a_key_says_what_it_takes() -> None:
    def values(path: str) -> str:
        return BY_PATH[f"{SERVICE_PATH}.{path}"].values

    assert values("takeover") == "`all`, `one`, `ranked`"
    assert values("interval") == "number, more than 0, up to 86400"
    assert values("local_as") == "integer, 1 to 4294967295"
    assert values("vip") == "string, or a list, or mapping"
    assert values("ip_setup") == "`true` or `false`"
    assert values("flap_hold") == "mapping"


def test_a_key_says_its_default_and_its_option() -> None:
    interval, standby = BY_PATH[f"{SERVICE_PATH}.interval"], BY_PATH[f"{SERVICE_PATH}.standby"]
    assert (interval.default, interval.option) == ("5", "-i, --interval SECONDS")
    assert standby.default == "cold"
    assert BY_PATH["store"].option == BY_PATH["store"].default == ""


def test_everything_is_described() -> None:
    assert [key.path for key in BY_PATH.values() if not key.text] == []
    assert [command.name for command in BY_NAME.values() if not command.text] == []
    assert [
        (command.name, option.names)
        for command in BY_NAME.values()
        for option in command.options
        if not option.text
    ] == []
