"""Catalogs of commands and keys, from which documentation and manual pages are generated."""

from dataclasses import fields

from vipagent.cli.catalog import commands
from vipagent.cli.reader import command as run
from vipagent.config.catalog import SERVICE_PATH, keys
from vipagent.config.schema import AgentSection, ServiceSection

BY_NAME = {command.name: command for command in commands()}
BY_PATH = {key.path: key for key in keys()}


def test_all_commands_are_listed_groups_first() -> None:
    names = list(BY_NAME)
    assert names[0] == "vipagent"
    assert names.index("vipagent maintenance") < names.index("vipagent maintenance on")
    assert {"vipagent run", "vipagent status", "vipagent backends", "vipagent check-config"} <= set(names)


def test_options_of_run_are_those_of_the_reader() -> None:
    found = {name for option in BY_NAME["vipagent run"].options for name in option.names}
    assert {name for option in run.params for name in option.opts} <= found


def test_an_option_is_split_into_its_parts() -> None:
    by_names = {option.names: option for option in BY_NAME["vipagent run"].options}
    interval = by_names["-i", "--interval"]
    assert (interval.metavar, interval.default) == ("SECONDS", "default: 5")
    assert interval.text == "Interval between checks, in seconds."
    assert by_names["--ip-setup",].metavar == ""
    assert by_names["-h", "--help"].default == ""


def test_usage_includes_the_arguments() -> None:
    assert BY_NAME["vipagent maintenance on"].usage == "vipagent maintenance on [OPTIONS] SERVICE"


def test_preformatted_paragraphs_have_click_s_mark() -> None:
    """In a raw docstring the mark would be visible."""
    marked = {command.name for command in BY_NAME.values() if "\b\n" in command.text}
    assert {"vipagent status", "vipagent simulate"} <= marked
    assert [command.name for command in BY_NAME.values() if "\\b" in command.text] == []


def test_all_keys_of_all_sections_are_listed() -> None:
    top = {path for path in BY_PATH if "." not in path}
    assert top == {option.name for option in fields(AgentSection)}
    of_service = {path.removeprefix(f"{SERVICE_PATH}.") for path in BY_PATH if path.startswith(SERVICE_PATH)}
    assert {path for path in of_service if "." not in path} == {
        option.name for option in fields(ServiceSection)
    }
    assert {"flap_hold.window", "roles.primary.community", "roles.standby.local_preference"} <= of_service


def test_values_of_a_key_are_described() -> None:
    def values(path: str) -> str:
        return BY_PATH[f"{SERVICE_PATH}.{path}"].values

    assert values("takeover") == "`all`, `one`, `ranked`"
    assert values("interval") == "number, more than 0, up to 86400"
    assert values("local_as") == "integer, 1 to 4294967295"
    assert values("vip") == "string, or a list, or mapping"
    assert values("ip_setup") == "`true` or `false`"
    assert values("flap_hold") == "mapping"


def test_default_and_option_of_a_key() -> None:
    interval, standby = BY_PATH[f"{SERVICE_PATH}.interval"], BY_PATH[f"{SERVICE_PATH}.standby"]
    assert (interval.default, interval.option) == ("5", "-i, --interval SECONDS")
    assert standby.default == "cold"
    assert BY_PATH["store"].option == BY_PATH["store"].default == ""


def test_all_keys_commands_and_options_have_a_description() -> None:
    assert [key.path for key in BY_PATH.values() if not key.text] == []
    assert [command.name for command in BY_NAME.values() if not command.text] == []
    assert [
        (command.name, option.names)
        for command in BY_NAME.values()
        for option in command.options
        if not option.text
    ] == []
