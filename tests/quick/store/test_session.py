"""A session's states by its own clock, and which server it tries when."""

import math

import pytest

from vipagent.core.words import StoreState
from vipagent.net.backoff import MAX_DELAY
from vipagent.store.driver import SessionInfo
from vipagent.store.session import REQUEST_TIMEOUT, Session

LIFE = 6.0
SERVERS = ("a:1", "b:1", "c:1")
CONNECTED, UNSURE, LOST = StoreState.CONNECTED, StoreState.UNSURE, StoreState.LOST


@pytest.fixture
def session() -> Session:
    return Session(SERVERS, LIFE)


def connect(session: Session, now: float) -> None:
    session.confirmed(now, SessionInfo(LIFE, f"{session.server}: a store"))
    session.connected()


def states(session: Session) -> list[StoreState]:
    return [state for state, _ in session.events()]


def test_it_is_connected_once_it_is_served(session: Session) -> None:
    session.confirmed(0.0, SessionInfo(LIFE, "a:1: a store"))
    assert not session.is_connected
    assert states(session) == []
    session.connected()
    session.connected()
    assert list(session.events()) == [(CONNECTED, "a:1: a store")]


def test_a_failure_is_unsure_and_then_lost_by_our_own_clock(session: Session) -> None:
    connect(session, 10.0)
    session.failed(12.0, "it closed the connection")
    session.check_expiry(16.0 - 0.001)
    assert states(session) == [CONNECTED, UNSURE]
    session.check_expiry(16.0)
    session.check_expiry(17.0)
    assert list(session.events()) == [(LOST, "a:1: it closed the connection")]


def test_its_life_counts_from_when_the_last_confirmed_sign_was_asked_for(session: Session) -> None:
    connect(session, 10.0)
    session.confirmed(12.0, SessionInfo(4.0, "shorter"))
    assert session.expires == 16.0
    assert session.next_keep_alive == pytest.approx(12.0 + 4.0 / 3)


def test_what_the_store_ends_is_lost_at_once(session: Session) -> None:
    connect(session, 10.0)
    session.ended(11.0, "the session has expired")
    assert states(session) == [CONNECTED, LOST]
    session.check_expiry(30.0)
    assert states(session) == []


def test_before_the_first_connection_it_is_lost(session: Session) -> None:
    session.check_expiry(0.0)
    assert states(session) == [], "nothing has failed yet"
    session.failed(0.0, "connection refused")
    assert states(session) == [LOST]


def test_each_failure_is_another_server_s_turn_and_the_causes_add_up(session: Session) -> None:
    for server in SERVERS:
        assert session.server == server
        session.failed(0.0, "connection refused")
    assert session.server == SERVERS[0]
    assert session.errors == "a:1: connection refused; b:1: connection refused; c:1: connection refused"
    list(session.events())
    session.failed(1.0, "connection refused")
    assert states(session) == [], "no news"


def test_what_went_wrong_before_it_was_served_is_forgotten(session: Session) -> None:
    session.failed(0.0, "connection refused")
    connect(session, 1.0)
    session.failed(2.0, "it closed the connection")
    assert session.errors == "b:1: it closed the connection"


def test_it_begins_where_it_is_told_to() -> None:
    assert Session(SERVERS, LIFE, first=2).server == "c:1"


def test_pauses_grow_up_to_a_second_and_begin_anew_once_it_is_alive(session: Session) -> None:
    for _ in range(20):
        session.failed(0.0, "no")
    assert MAX_DELAY / 2 <= session.next_attempt <= MAX_DELAY
    connect(session, 5.0)
    session.failed(5.0, "flapping")
    assert session.next_attempt - 5.0 >= MAX_DELAY / 2, "a connection alone proves nothing"
    connect(session, 10.0)
    session.confirmed(12.0, SessionInfo(LIFE, ""))
    session.failed(13.0, "no")
    assert session.next_attempt - 13.0 <= 0.1


def test_refused_by_all_it_need_not_be_waited_for(session: Session) -> None:
    for refused in (True, False, True):
        session.failed(0.0, "wrong password", refused=refused)
    assert not session.is_refused_by_all
    for _ in SERVERS:
        session.failed(0.0, "wrong password", refused=True)
    assert session.is_refused_by_all
    connect(session, 1.0)
    assert not session.is_refused_by_all


@pytest.mark.parametrize(
    ("life", "keep_alives", "timeout"),
    [(1.0, 3, 0.25), (6.0, 3, 1.5), (6.0, 4, 2.0), (60.0, 3, REQUEST_TIMEOUT)],
)
def test_a_request_leaves_time_for_another_server(life: float, keep_alives: int, timeout: float) -> None:
    session = Session(SERVERS, life, keep_alives=keep_alives)
    assert session.request_timeout == pytest.approx(timeout)


def test_a_session_that_never_expires() -> None:
    session = Session(SERVERS, LIFE)
    session.confirmed(0.0, SessionInfo(math.inf, ""))
    session.connected()
    session.check_expiry(1e9)
    assert states(session) == [CONNECTED]
