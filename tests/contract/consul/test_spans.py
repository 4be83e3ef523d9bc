"""Many directories need few of Consul's blocking queries."""

from vipagent.store.driver import Found
from vipagent.store.layout import Directory, Kind
from vipagent_consul.queries import COMBINED_QUERY_THRESHOLD, spans, split

FEW = [Directory(Kind.MEMBERS, f"service{number}") for number in range(COMBINED_QUERY_THRESHOLD - 1)]
MANY = [Directory(Kind.MAINTENANCE, f"service{number}") for number in range(COMBINED_QUERY_THRESHOLD)]


def test_a_few_directories_have_a_query_each_and_many_of_a_kind_one_together() -> None:
    plan = spans([*FEW, *MANY])
    assert plan.pop(Kind.MAINTENANCE) == set(MANY)
    assert plan == {directory: {directory} for directory in FEW}


def test_each_directory_has_its_own_entries_of_what_is_listed_together() -> None:
    found = Found(b"", 1)
    below = {
        "service0/all": found,
        "service0/a/b": found,
        "service1": found,
        "strangers/all": found,
        "": found,
    }
    listings = split(Kind.MAINTENANCE, frozenset(MANY[:2]), below)
    assert listings == {MANY[0]: {"all": found}, MANY[1]: {}}


def test_invalid_names_are_ignored() -> None:
    found = Found(b"", 1)
    below = {"": found, "a/b": found, "line\nbreak": found, "10.0.0.1": found}
    assert split(FEW[0], frozenset({FEW[0]}), below) == {FEW[0]: {"10.0.0.1": found}}
