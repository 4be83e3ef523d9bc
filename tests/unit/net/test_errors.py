import errno
import os
import ssl
from socket import EAI_NONAME, gaierror

import pytest

from vipagent.net.errors import TEXTS, Failure, ProtocolError, explain, failure


def certificate_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no response within 2 s"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "no response within 2 s"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('x', 1)"), "connection refused"),
        (certificate_error(10, "has expired"), "certificate verification failed: has expired"),
        (ssl.SSLError(1, "[SSL] wrong version"), "TLS failed: [SSL] wrong version"),
        (gaierror(EAI_NONAME, "Name not known"), "name resolution failed: Name not known"),
        (ProtocolError("nonsense"), "invalid HTTP response: nonsense"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "the server closed the connection"),
        (BrokenPipeError(errno.EPIPE, "pipe"), "the server closed the connection"),
        (OSError(errno.ENETUNREACH, "Connect call failed ('x', 1)"), os.strerror(errno.ENETUNREACH)),
        (OSError("strange"), "strange"),
        (OSError(), "OSError"),
    ],
)
def test_each_kind_of_error_has_its_words(error: OSError, words: str) -> None:
    assert explain(error, within=2.0) == words


def test_strict_verification_names_its_option() -> None:
    error = certificate_error(92, "no key usage")
    assert "`verify: strict`" in explain(error)
    assert "`check_verify: strict`" in explain(error, option="check_verify")


def test_others_words_have_fields_of_their_own() -> None:
    """The text of an error is not used as a format."""
    texts = TEXTS | {Failure.OTHER: "{url}: {cause}"}
    assert explain(OSError("{odd} %s"), texts, url="http://{x}") == "http://{x}: {odd} %s"


def test_every_kind_has_words() -> None:
    assert set(TEXTS) == set(Failure)
    assert failure(OSError()) is Failure.OTHER
