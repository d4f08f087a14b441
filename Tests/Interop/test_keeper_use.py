"""What is done with tokens that the keeper holds: called with, asked for by the client itself, withdrawn, stolen."""

import pytest

from keeper import DENIED, UNAVAILABLE, Keeper
from keeper_fixtures import Peer


@pytest.mark.parametrize("peer", ["glewlwyd", "authlib", "django", "issuer"], indirect=True)
def test_tokens_of_the_client_itself(keeper: Keeper, peer: Peer) -> None:
    name = peer.add_to(keeper, "itself", own=True)
    made = keeper.json("connection", "connect", name, "--client-credentials")
    assert made["state"] == "live" and made["kind"] == "client_credentials"
    assert keeper.token(name) == peer.proxy.passed[-1].answer["access_token"]
    keeper.run("connection", "refresh", name)
    assert keeper.token(name) == peer.proxy.passed[-1].answer["access_token"]
    assert [passed.form["grant_type"] for passed in peer.proxy.passed] == ["client_credentials"] * 2


@pytest.mark.parametrize("peer", ["issuer", "seed"], indirect=True)
def test_an_access_token_in_the_query(keeper: Keeper, peer: Peer) -> None:
    name = peer.add_to(keeper, "in-query", access_token="{query: quantimodoAccessToken}")
    assert peer.connect(keeper, name)["state"] == "live"
    # The standard profile does not look there.
    keeper.run(
        "connection", "probe", f"{name}/alice", "--url", peer.server.url + peer.server.userinfo,
        code=0 if peer.name == "seed" else DENIED)


@pytest.mark.parametrize("peer", ["issuer"], indirect=True)
def test_an_issuer_known_by_its_discovery_document(keeper: Keeper, peer: Peer) -> None:
    keeper.run(
        "provider", "add", "login", "--entry", "oidc", f"--variable=issuer={peer.server.url}", "--client-id",
        peer.known.client_id, "--client-secret-file", keeper.secret_file("secret", peer.known.client_secret),
        "--scope", peer.known.scope)
    assert peer.connect(keeper, "login")["state"] == "live"
    keeper.run("connection", "refresh", "login/alice")
    keeper.run("connection", "probe", "login/alice", "--url", peer.server.url + peer.server.userinfo)
    keeper.run("provider", "test", "login")


def test_what_the_user_withdraws_at_the_server(keeper: Keeper, peer: Peer, connected: str) -> None:
    peer.revoke(str(peer.proxy.passed[-1].answer["refresh_token"]))
    keeper.run("connection", "refresh", connected, code=DENIED)
    shown = keeper.show(connected)
    assert shown["state"] == "needs-consent" and shown["reason"] == "invalid-grant"
    again = peer.connect(keeper)
    assert again["connection"] == shown["connection"] and again["state"] == "live"
    keeper.run("connection", "refresh", connected)


@pytest.mark.parametrize("peer", ["glewlwyd", "django-protected", "issuer"], indirect=True)
def test_a_thief_ends_the_grant_for_both(keeper: Keeper, peer: Peer, connected: str) -> None:
    stolen = str(peer.proxy.passed[-1].answer["refresh_token"])
    keeper.run("connection", "refresh", connected)
    keeper.run("connection", "refresh", connected)
    assert peer.refuses(stolen)
    keeper.run("connection", "refresh", connected, code=DENIED)
    assert keeper.show(connected)["state"] == "needs-consent"


@pytest.mark.parametrize("peer", ["authlib", "django", "issuer"], indirect=True)
def test_a_wrong_client_secret_stops_the_provider_and_harms_no_connection(
    keeper: Keeper, peer: Peer, connected: str
) -> None:
    put_secret(keeper, peer, "not-the-secret")
    keeper.run("connection", "refresh", connected, code=UNAVAILABLE)
    assert keeper.json("provider", "show", peer.name)["state"] == "stopped"
    assert keeper.show(connected)["state"] == "live"
    count = len(peer.proxy.passed)
    keeper.run("connection", "refresh", connected, code=UNAVAILABLE)
    assert len(peer.proxy.passed) == count
    put_secret(keeper, peer, peer.known.client_secret)
    keeper.run("connection", "refresh", connected)


@pytest.mark.parametrize("peer", ["glewlwyd"], indirect=True)
def test_a_server_that_spends_the_token_before_it_looks_at_the_secret(
    keeper: Keeper, peer: Peer, connected: str
) -> None:
    put_secret(keeper, peer, "not-the-secret")
    keeper.run("connection", "refresh", connected, code=DENIED)
    assert [passed.status for passed in peer.proxy.refreshes] == [400]
    # The token is dead there, as its answer said, whoever sends it.
    assert peer.refuses(peer.proxy.refreshes[0].form["refresh_token"])
    put_secret(keeper, peer, peer.known.client_secret)
    assert peer.connect(keeper)["state"] == "live"
    keeper.run("connection", "refresh", connected)


def put_secret(keeper: Keeper, peer: Peer, secret: str) -> None:
    keeper.run(
        "provider", "add", peer.name, "--replace", "--file", keeper.folder / f"{peer.name}.yaml", "--client-id",
        peer.known.client_id, "--scope", peer.known.scope, "--client-secret-file",
        keeper.secret_file(f"{peer.name}.secret", secret))
