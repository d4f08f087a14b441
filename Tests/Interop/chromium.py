"""A real browser on a device of some width and colour scheme, and what its pages did there."""

import base64
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

SECONDS = 15
ARGUMENTS = [
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--lang=en",
]


@dataclass(frozen=True)
class Device:
    width: int
    scheme: str
    height: int = 760

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


class Chromium:
    """Selenium's driver, with what the tests ask of a page."""

    def __init__(self, screenshots: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ARGUMENTS:
            options.add_argument(argument)
        if os.geteuid() == 0:
            # Its sandbox is not for root, who runs containers of CI.
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(SECONDS)
        self.driver.set_script_timeout(60)
        self.screenshots = screenshots
        self.device = Device(1280, "light")

    def become(self, device: Device) -> None:
        """Another device, with no cookies and nothing in its logs."""
        self.device = device
        self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.command("Network.clearBrowserCache")
        self.resize(device.width)
        features = [{"name": "prefers-color-scheme", "value": device.scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def resize(self, width: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=self.device.height, deviceScaleFactor=1, mobile=width < 600,
        )

    def find(self, selector: str) -> WebElement:
        found = WebDriverWait(self.driver, SECONDS).until(
            lambda driver: driver.find_elements(By.CSS_SELECTOR, selector))
        return found[0]

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def press(self, selector: str) -> None:
        """Clicks, and waits for the page that comes then."""
        with self.next_page():
            self.find(selector).click()

    def next_page(self) -> "NextPage":
        return NextPage(self)

    def wait_for_focus(self) -> None:
        """Until something has the focus: `autofocus` acts with the first frame that is drawn."""
        WebDriverWait(self.driver, SECONDS, poll_frequency=0.02).until(
            lambda _: self.script("return document.activeElement !== document.body"))

    @property
    def heading(self) -> str:
        return self.find("h1").text

    @property
    def text(self) -> str:
        return self.find("body").text

    def console(self) -> list[str]:
        """What the browser complained about since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def traffic(self) -> list[dict[str, Any]]:
        """The events of the network since they were asked for last."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [event for event in events if event["method"].startswith("Network.")]

    def screenshot(self, name: str) -> None:
        height = self.script("return document.documentElement.scrollHeight")
        clip = {
            "x": 0, "y": 0, "width": self.device.width, "height": max(height, self.device.height), "scale": 1,
        }
        image = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        self.screenshots.mkdir(parents=True, exist_ok=True)
        path = self.screenshots / f"{name}-{self.device}.png"
        path.write_bytes(base64.b64decode(image["data"]))


class NextPage:
    """Waits until the document is another one, and loaded."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser

    def __enter__(self) -> None:
        self.browser.script("window.isOld = true")

    def __exit__(self, kind: object, *_: object) -> None:
        deadline = time.monotonic() + SECONDS
        while kind is None:
            if self.browser.script("return !window.isOld && document.readyState === 'complete'"):
                return
            assert time.monotonic() < deadline, "no other page came"
            time.sleep(0.02)
