from collections.abc import Callable

import pytest
from exabgp.configuration.static import parser
from hypothesis import given, settings
from hypothesis import strategies as st

from vipagent.config import communities
from vipagent.config.communities import WELL_KNOWN

number16 = st.integers(0, 2**16 - 1)
number32 = st.integers(0, 2**32 - 1)


def joined(*parts: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: ":".join(map(str, values)))


STANDARD = st.one_of(st.sampled_from(WELL_KNOWN), joined(number16, number16))
LARGE = joined(number32, number32, number32)
EXTENDED = st.one_of(
    joined(st.sampled_from(["target", "origin", "redirect", "bandwidth"]), number16, number32),
    joined(st.just("l2info"), st.integers(0, 255), st.integers(0, 255), number16, number16),
    st.binary(min_size=8, max_size=8).map(lambda raw: f"0x{raw.hex()}"),
)


@settings(max_examples=300)
@given(standard=STANDARD, large=LARGE, extended=EXTENDED)
def test_exabgp_parses_accepted_communities_unchanged(standard: str, large: str, extended: str) -> None:
    parser._community(communities.community(standard))
    parser._large_community(communities.large_community(large))
    parser._extended_community(communities.extended_community(extended))


@settings(max_examples=500)
@given(st.text(max_size=12) | st.from_regex(r"[0-9a-z:]{1,12}\s?", fullmatch=True) | LARGE | EXTENDED)
def test_accepted_communities_cannot_break_a_command(text: str) -> None:
    for read in (communities.community, communities.large_community, communities.extended_community):
        try:
            accepted = read(text)
        except ValueError:
            continue
        assert accepted
        assert set(accepted) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEF:-")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (communities.community, "65536:0"),
        (communities.community, "0:65536"),
        (communities.community, "100"),
        (communities.community, "graceful-shutdown"),  # unknown to ExaBGP
        (communities.community, "no_export"),  # supported by 5 only
        (communities.community, "1:1 2:2"),
        (communities.large_community, "1:2"),
        (communities.large_community, "4294967296:0:0"),
        (communities.extended_community, "target:65536:1"),  # 4.2 and 5 encode it differently
        (communities.extended_community, "target4:65536:1"),
        (communities.extended_community, "mup:1:1"),  # supported by 5 only
        (communities.extended_community, "0x00"),
        (communities.extended_community, "l2info:256:0:0:0"),
    ],
)
def test_invalid_communities_are_rejected(read: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        read(text)
