"""States of a session by its clock, and the servers it tries."""

import math

import pytest

from vipagent.net.backoff import MAX_DELAY, MIN_DELAY
from vipagent.store.driver import SessionInfo
from vipagent.store.session import REQUEST_TIMEOUT, Session
from vipagent.types import StoreState

TIMEOUT = 6.0
SERVERS = ("a:1", "b:1", "c:1")
CONNECTED, UNSURE, LOST = StoreState.CONNECTED, StoreState.UNSURE, StoreState.LOST


@pytest.fixture
def session() -> Session:
    return Session(SERVERS, TIMEOUT)


def connect(session: Session, now: float) -> None:
    session.confirmed(now, SessionInfo(TIMEOUT, f"{session.server}: a store"))
    session.connected()


def states(session: Session) -> list[StoreState]:
    return [state for state, _ in session.events()]


def test_connected_after_the_first_listing(session: Session) -> None:
    session.confirmed(0.0, SessionInfo(TIMEOUT, "a:1: a store"))
    assert not session.is_connected
    assert states(session) == []
    session.connected()
    session.connected()
    assert list(session.events()) == [(CONNECTED, "a:1: a store")]


def test_unsure_after_a_failure_and_lost_after_the_timeout(session: Session) -> None:
    connect(session, 10.0)
    session.failed(12.0, "it closed the connection")
    session.check_expiry(16.0 - 0.001)
    assert states(session) == [CONNECTED, UNSURE]
    session.check_expiry(16.0)
    session.check_expiry(17.0)
    assert list(session.events()) == [(LOST, "a:1: it closed the connection")]


def test_timeout_starts_when_the_last_confirmed_keep_alive_was_sent(session: Session) -> None:
    connect(session, 10.0)
    session.confirmed(12.0, SessionInfo(4.0, "shorter"))
    assert session.expires == 16.0
    assert session.next_keep_alive == pytest.approx(12.0 + 4.0 / 3)


def test_lost_when_the_store_ends_the_session(session: Session) -> None:
    connect(session, 10.0)
    session.ended(11.0, "the session has expired")
    assert states(session) == [CONNECTED, LOST]
    session.check_expiry(30.0)
    assert states(session) == []


def test_lost_before_the_first_connection(session: Session) -> None:
    session.check_expiry(0.0)
    assert states(session) == [], "no attempt has failed yet"
    session.failed(0.0, "connection refused")
    assert states(session) == [LOST]


def test_each_failure_selects_the_next_server_and_errors_are_collected(session: Session) -> None:
    for server in SERVERS:
        assert session.server == server
        session.failed(0.0, "connection refused")
    assert session.server == SERVERS[0]
    assert session.errors == "a:1: connection refused; b:1: connection refused; c:1: connection refused"
    list(session.events())
    session.failed(1.0, "connection refused")
    assert states(session) == [], "no new error"


def test_errors_are_cleared_when_connected(session: Session) -> None:
    session.failed(0.0, "connection refused")
    connect(session, 1.0)
    session.failed(2.0, "it closed the connection")
    assert session.errors == "b:1: it closed the connection"


def test_first_server_is_configurable() -> None:
    assert Session(SERVERS, TIMEOUT, first=2).server == "c:1"


def test_delays_grow_to_a_second_and_are_reset_by_a_second_keep_alive(session: Session) -> None:
    for _ in range(20):
        session.failed(0.0, "no")
    assert MAX_DELAY / 2 <= session.next_attempt <= MAX_DELAY
    connect(session, 5.0)
    session.failed(5.0, "flapping")
    assert session.next_attempt - 5.0 >= MAX_DELAY / 2, "a connection alone does not reset the delay"
    connect(session, 10.0)
    session.confirmed(12.0, SessionInfo(TIMEOUT, ""))
    session.failed(13.0, "no")
    assert session.next_attempt - 13.0 <= 0.1


def test_refused_by_all_servers(session: Session) -> None:
    for refused in (True, False, True):
        session.failed(0.0, "wrong password", refused=refused)
    assert not session.is_refused_by_all
    for _ in SERVERS:
        session.failed(0.0, "wrong password", refused=True)
    assert session.is_refused_by_all
    connect(session, 1.0)
    assert not session.is_refused_by_all


@pytest.mark.parametrize(
    ("session_timeout", "keep_alives", "timeout"),
    [(1.0, 3, 0.25), (6.0, 3, 1.5), (6.0, 4, 2.0), (60.0, 3, REQUEST_TIMEOUT)],
)
def test_request_timeout_leaves_time_for_another_server(
    session_timeout: float, keep_alives: int, timeout: float
) -> None:
    session = Session(SERVERS, session_timeout, keep_alives=keep_alives)
    assert session.request_timeout == pytest.approx(timeout)


def test_infinite_timeout() -> None:
    session = Session(SERVERS, TIMEOUT)
    session.confirmed(0.0, SessionInfo(math.inf, ""))
    session.connected()
    session.check_expiry(1e9)
    assert states(session) == [CONNECTED]


def test_an_expiry_is_detected_however_late_it_is_checked(session: Session) -> None:
    connect(session, 10.0)
    session.failed(12.0, "it closed the connection")
    session.check_expiry(100.0)
    assert states(session) == [CONNECTED, UNSURE, LOST]


def test_the_first_delay_is_the_shortest() -> None:
    session = Session(SERVERS, TIMEOUT, uniform=lambda _least, most: most)
    session.failed(7.0, "no")
    assert session.next_attempt == 7.0 + MIN_DELAY
