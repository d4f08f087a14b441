"""The keeper as a client of other servers: consent, refreshes, import, revocation."""

import pytest

from keeper import DENIED, Keeper
from keeper_fixtures import Peer


def test_every_refresh_spends_what_the_one_before_brought(keeper: Keeper, peer: Peer, connected: str) -> None:
    begun = keeper.show(connected)["generation"]
    for _ in range(3):
        keeper.run("connection", "refresh", connected)
    first, *refreshes = peer.proxy.passed
    assert first.form["grant_type"] == "authorization_code"
    assert [passed.status for passed in refreshes] == [200, 200, 200]
    before = [first, *refreshes]
    for spent, passed in zip(before, refreshes):
        assert passed.form["refresh_token"] == spent.answer["refresh_token"]
    assert len({passed.form["refresh_token"] for passed in refreshes}) == 3
    shown = keeper.show(connected)
    assert shown["state"] == "live" and shown["verified"] and shown["failures"] == 0
    assert shown["generation"] == begun + 3
    assert keeper.token(connected) == refreshes[-1].answer["access_token"]
    keeper.run("connection", "probe", connected, "--url", peer.server.url + peer.server.userinfo)


@pytest.mark.parametrize("peer", ["glewlwyd", "authlib", "issuer"], indirect=True)
def test_tokens_that_somebody_else_obtained(keeper: Keeper, peer: Peer, connected: str) -> None:
    held = peer.proxy.passed[-1].answer["refresh_token"]
    file = keeper.secret_file("imported", str(held))
    keeper.run("connection", "import", peer.name, "--user", "alice", "--label", "moved", "--refresh-token-file", file)
    moved = connected + "/moved"
    assert not keeper.show(moved)["verified"]
    # There is no access token yet: it is fetched when one is asked for.
    assert keeper.token(moved) == peer.proxy.passed[-1].answer["access_token"]
    assert peer.proxy.passed[-1].form["refresh_token"] == held
    assert keeper.show(moved)["verified"]
    keeper.run("connection", "refresh", moved)


@pytest.mark.parametrize("is_queued", [False, True], ids=["at once", "by refresh run"])
def test_a_revoked_connection_is_over_at_the_server(
    keeper: Keeper, peer: Peer, connected: str, is_queued: bool
) -> None:
    held = peer.proxy.passed[-1].answer
    ended = keeper.json("connection", "revoke", connected, *(["--queue"] if is_queued else []))
    if is_queued:
        assert ended["state"] == "revoking"
        # No token of it is given out, though the server does not know yet.
        keeper.run("connection", "exec", connected, "--", "true", code=DENIED)
        with keeper.refreshing():
            keeper.await_state(connected, "revoked")
    else:
        assert ended["state"] == "revoked"
    asked = peer.proxy.passed[-1]
    assert asked.path == peer.server.revocation and asked.form["token"] == held["refresh_token"]
    assert peer.refuses(str(held["refresh_token"]))
