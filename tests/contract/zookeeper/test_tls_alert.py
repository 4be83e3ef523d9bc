"""The error for a client certificate rejected after the handshake, as in TLS 1.3 (S3)."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contract.sessions import begun, wait_detail
from tests.contract.zookeeper.under_test import LIFE
from tests.servers.certificates import Authority
from vipagent.store.backend import StoreSettings
from vipagent.store.client import StoreClient
from vipagent.testing.peers import Peer
from vipagent.testing.recorder import Recorder
from vipagent_zookeeper import ZooKeeperDriver

HOST = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def requiring(authority: Authority) -> Iterator[int]:
    """The port of a server that requires a certificate, sends an alert, and reads all data.

    A real server may close immediately; then the alert may be lost.
    """
    own = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server((HOST, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.settimeout(5.0)
                tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with tls, suppress(OSError):
                    try:
                        tls.do_handshake()
                    except ssl.SSLError:
                        while socket.socket.recv(tls, 4096):
                            pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_a_certificate_required_after_the_handshake_is_reported(
    requiring: int, authority: Authority, sessions: list[Peer]
) -> None:
    address, seen = f"{HOST}:{requiring}", Recorder()
    options = {"tls": True, "ca": str(authority.cert)}
    settings = StoreSettings("node1", "run1", (address,), "/secured", LIFE, options)
    session = Peer(StoreClient(ZooKeeperDriver, settings, seen), seen)
    sessions.append(session)
    wait_detail(begun(session), f"{address}: TLS: TLSV13_ALERT_CERTIFICATE_REQUIRED$")
