import pytest

from vipagent.net.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "parsed", "formatted"),
    [
        ("store1", ("store1", 7), "store1:7"),
        ("store1:2181", ("store1", 2181), "store1:2181"),
        ("STORE1.Example:1", ("store1.example", 1), "store1.example:1"),
        ("192.0.2.1:65535", ("192.0.2.1", 65535), "192.0.2.1:65535"),
        ("[2001:db8::1]", ("2001:db8::1", 7), "[2001:db8::1]:7"),
        ("[::1]:8500", ("::1", 8500), "[::1]:8500"),
    ],
)
def test_endpoints_are_parsed_and_formatted(text: str, parsed: tuple[str, int], formatted: str) -> None:
    assert Endpoint.parse(text, 7) == parsed
    assert str(Endpoint(*parsed)) == formatted
    assert Endpoint.parse(formatted, 1) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not HOST:PORT"),
        (":80", "is not HOST:PORT"),
        ("a b:80", "is not HOST:PORT"),
        ("user@a:80", "is not HOST:PORT"),
        ("a:80/path", "is not HOST:PORT"),
        ("a:0", "is not HOST:PORT"),
        ("a:65536", "Port out of range"),
        ("a:x", "Port could not be cast"),
        ("::1", "Port could not be cast"),
        ("[::1", "Invalid IPv6 URL"),
        ("https://a:80", "without a scheme"),
    ],
)
def test_invalid_endpoints_are_rejected_with_their_text(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        Endpoint.parse(text, 7)
    assert repr(text) in str(raised.value)
