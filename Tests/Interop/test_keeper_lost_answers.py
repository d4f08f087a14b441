"""A request that never arrived, and an answer that never came back: what docs/keeper.md says for each policy."""

import pytest

from keeper import DENIED, UNAVAILABLE, Keeper
from keeper_fixtures import Peer

REJECTING = ["authlib", "django"]
LENIENT = ["django-grace", "issuer", "seed"]
STRICT = ["glewlwyd", "django-protected"]


def spent(peer: Peer) -> list[tuple[str, int | None]]:
    """What was sent of refresh tokens, and what the server made of it."""
    return [(passed.form["refresh_token"], passed.status) for passed in peer.proxy.refreshes]


def check_that_it_goes_on(keeper: Keeper, peer: Peer, connection: str) -> None:
    """As if nothing had been: no token is redeemed twice from here on."""
    count = len(peer.proxy.refreshes)
    keeper.run("connection", "refresh", connection)
    keeper.run("connection", "refresh", connection)
    tokens = [token for token, status in spent(peer)[count:] if status == 200]
    assert len(tokens) == len(set(tokens)) == 2
    assert keeper.token(connection) == peer.proxy.refreshes[-1].answer["access_token"]


@pytest.mark.parametrize("peer", LENIENT, indirect=True)
def test_an_answer_is_lost_and_asked_for_again(keeper: Keeper, peer: Peer, connected: str) -> None:
    peer.proxy.next_fault = "answer"
    keeper.run("connection", "refresh", connected)
    lost, found = peer.proxy.refreshes
    assert spent(peer) == [(lost.form["refresh_token"], 200)] * 2
    # One redemption: the second answer is the first, said again.
    assert lost.answer["refresh_token"] == found.answer["refresh_token"]
    assert keeper.token(connected) == found.answer["access_token"]
    check_that_it_goes_on(keeper, peer, connected)


@pytest.mark.parametrize("peer", REJECTING, indirect=True)
def test_an_answer_is_lost_for_good(keeper: Keeper, peer: Peer, connected: str) -> None:
    valid = keeper.token(connected)
    peer.proxy.next_fault = "answer"
    keeper.run("connection", "refresh", connected, code=DENIED)
    token = peer.proxy.refreshes[0].form["refresh_token"]
    assert spent(peer) == [(token, 200), (token, 400)]
    shown = keeper.show(connected)
    assert shown["state"] == "needs-consent" and shown["reason"] == "lost-response"
    # Nobody asks a third time. The access token lives, and is handed out for as long.
    assert keeper.token(connected) == valid
    assert len(peer.proxy.refreshes) == 2
    revealed = keeper.json("connection", "reveal", connected, "--reason", "test")
    assert revealed["access_token"] == valid and revealed["refresh_token"] == token
    assert peer.connect(keeper)["state"] == "live"
    check_that_it_goes_on(keeper, peer, connected)


@pytest.mark.parametrize("peer", STRICT, indirect=True)
def test_an_answer_is_lost_and_nobody_asks_again(keeper: Keeper, peer: Peer, connected: str) -> None:
    valid = keeper.token(connected)
    peer.proxy.next_fault = "answer"
    keeper.run("connection", "refresh", connected, code=UNAVAILABLE)
    assert keeper.show(connected)["unsettled_since"]
    keeper.run("connection", "refresh", connected, code=DENIED)
    assert [status for _, status in spent(peer)] == [200]
    shown = keeper.show(connected)
    assert shown["state"] == "needs-consent" and shown["reason"] == "lost-response"
    # The access token lives, and is handed out for as long.
    assert keeper.token(connected) == valid
    assert peer.connect(keeper)["state"] == "live"
    check_that_it_goes_on(keeper, peer, connected)


@pytest.mark.parametrize("peer", LENIENT + REJECTING, indirect=True)
def test_a_request_that_never_arrived_is_sent_again(keeper: Keeper, peer: Peer, connected: str) -> None:
    peer.proxy.next_fault = "request"
    keeper.run("connection", "refresh", connected)
    token = peer.proxy.refreshes[0].form["refresh_token"]
    assert spent(peer) == [(token, None), (token, 200)]
    check_that_it_goes_on(keeper, peer, connected)


@pytest.mark.parametrize("peer", STRICT, indirect=True)
def test_an_operator_may_send_again_what_may_have_been_spent(keeper: Keeper, peer: Peer, connected: str) -> None:
    peer.proxy.next_fault = "request"
    keeper.run("connection", "refresh", connected, code=UNAVAILABLE)
    token = peer.proxy.refreshes[0].form["refresh_token"]
    assert spent(peer) == [(token, None)]
    keeper.run("connection", "refresh", connected, "--spend-uncertain", "--confirm", connected)
    assert spent(peer) == [(token, None), (token, 200)]
    check_that_it_goes_on(keeper, peer, connected)
