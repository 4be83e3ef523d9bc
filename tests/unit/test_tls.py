"""TLS contexts: verification is the same with every Python; error messages name cause and remedy (S3)."""

import ssl
from pathlib import Path

import pytest

from tests.servers.certificates import Authority, Certificate
from vipagent.net.tls import Verify, client_context, refusal
from vipagent.store.access import TlsOptions, parse_options
from vipagent.store.backend import StoreConfigError

LACKS_KEY_USAGE = (
    "CA cert does not include key usage extension, rejected by `verify: strict`: create the authority's "
    "certificate with keyUsage=critical,keyCertSign,cRLSign, or remove `verify: strict`"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority created with `openssl req -x509`."""
    return Authority(tmp_path_factory.mktemp("plain"), plain=True)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("complete"))


def shake_hands(client: ssl.SSLContext, own: Certificate) -> str:
    """Perform a TLS handshake in memory; return the verification error, or an empty string."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own.cert, own.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in tuple(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return refusal(error)
    return ""


def options(ca: Path, verify: object) -> TlsOptions:
    return parse_options(TlsOptions, {"tls": True, "ca": str(ca), "verify": verify})


def context(ca: Path, verify: object) -> ssl.SSLContext:
    """Return a store's TLS context with these options."""
    made = options(ca, verify).tls_context()
    assert made is not None
    return made


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("verify", Verify)
def test_flags_are_independent_of_the_python_version(
    complete: Authority, verify: Verify, private: bool
) -> None:
    made = client_context(verify, complete.cert if private else None)
    flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    if verify is Verify.STRICT:
        flags |= ssl.VERIFY_X509_STRICT
    assert made.verify_flags == flags
    assert made.check_hostname is (verify is not Verify.NO)
    assert made.verify_mode is (ssl.CERT_NONE if verify is Verify.NO else ssl.CERT_REQUIRED)


@pytest.mark.parametrize(
    ("verify", "error"), [(True, ""), (False, ""), ("strict", LACKS_KEY_USAGE)], ids=["yes", "no", "strict"]
)
def test_plain_authority_is_accepted_unless_strict(plain: Authority, verify: object, error: str) -> None:
    assert shake_hands(context(plain.cert, verify), plain.issue("server")) == error


def test_complete_authority_passes_strict_verification(complete: Authority) -> None:
    assert shake_hands(context(complete.cert, "strict"), complete.issue("server")) == ""


def test_strict_verification_checks_dates_and_names(complete: Authority) -> None:
    strict = context(complete.cert, "strict")
    assert shake_hands(strict, complete.issue("old", days=-1)) == "certificate has expired"
    assert "not valid for 'localhost'" in shake_hands(strict, complete.issue("other", "DNS:elsewhere"))


def test_trusted_leaf_certificate_needs_no_root(plain: Authority, complete: Authority) -> None:
    own = plain.issue("alone")
    assert shake_hands(context(own.cert, True), own) == ""
    assert "unable to get" in shake_hands(context(complete.cert, True), own)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (True, Verify.YES),
        (False, Verify.NO),
        ("true", Verify.YES),
        ("False", Verify.NO),
        ("strict", Verify.STRICT),
        ("STRICT", Verify.STRICT),
    ],
)
def test_values_of_verify(complete: Authority, given: object, taken: Verify) -> None:
    assert options(complete.cert, given).verify is taken


@pytest.mark.parametrize("given", ["stricter", "", 2, [], None])
def test_invalid_values_of_verify_are_rejected(complete: Authority, given: object) -> None:
    with pytest.raises(StoreConfigError, match=r"^verify: .*'true', 'false' or 'strict'"):
        options(complete.cert, given)


def test_strict_verification_requires_tls() -> None:
    with pytest.raises(StoreConfigError, match=r"^verify: strict needs tls: true"):
        parse_options(TlsOptions, {"verify": "strict"})
