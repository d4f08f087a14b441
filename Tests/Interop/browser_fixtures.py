"""Fixtures of the tests that drive a browser."""

from collections.abc import Iterator

import pytest

from chromium import Chromium, Device
from loopback import Loopback
from people import App, Person
from served import ARTEFACTS, Server

DEVICES = [Device(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    browser = Chromium(ARTEFACTS / "screenshots")
    yield browser
    browser.driver.quit()


@pytest.fixture
def desk(chromium: Chromium) -> Chromium:
    """A browser with nothing in it, on a wide screen."""
    chromium.become(Device(1280, "light"))
    return chromium


@pytest.fixture
def phone(chromium: Chromium) -> Chromium:
    """A browser with nothing in it, on a narrow screen."""
    chromium.become(Device(360, "light"))
    return chromium


@pytest.fixture(params=DEVICES, ids=str)
def device(chromium: Chromium, request: pytest.FixtureRequest) -> Chromium:
    """A browser with nothing in it, on each of the devices."""
    chromium.become(request.param)
    return chromium


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def app(server: Server, loopback: Loopback) -> App:
    return App(server, loopback)


@pytest.fixture
def alice(server: Server, chromium: Chromium) -> Person:
    return Person(server, chromium)
