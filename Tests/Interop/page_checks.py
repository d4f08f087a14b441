"""What is asked of every page: each check returns what is wrong with the page that is open."""

import re
from pathlib import Path

import axe_selenium_python

from chromium import Chromium

AXE = Path(axe_selenium_python.__file__).parent / "node_modules/axe-core/axe.min.js"
PAGE_BYTES = 30 * 1024
TARGET_PIXELS = 44


def accessibility(browser: Chromium) -> list[str]:
    """The rules of axe-core: WCAG 2 A and AA, and its best practices."""
    # Over the DevTools protocol: no page of ours runs a script of its own, and the policy stays in force.
    browser.script(AXE.read_text(encoding="utf-8"))
    result = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run().then(done, error => done({error: String(error)}))")
    assert result.get("passes"), "axe did not run"
    found = [f"{rule['id']}: {node['html']}" for rule in result["violations"] for node in rule["nodes"]]
    # Where it cannot tell the colours, nothing is shown. Of text that changes direction it misjudges the place.
    unclear = [
        node for rule in result["incomplete"] if rule["id"] == "color-contrast" for node in rule["nodes"]]
    return found + [
        f"contrast unclear: {node['html']}" for node in unclear
        if node["any"][0]["data"]["missingData"] != "elmPartiallyObscuring"]


def structure(browser: Chromium) -> list[str]:
    facts = browser.script("""return {
        lang: document.documentElement.lang,
        title: document.title.length > 0,
        mains: document.querySelectorAll('main').length,
        headings: document.querySelectorAll('h1').length,
        scripts: document.querySelectorAll('script').length,
        styles: document.querySelectorAll('style, [style]').length,
        handlers: [...document.querySelectorAll('*')].filter(
            e => e.getAttributeNames().some(name => name.startsWith('on'))).length,
        unlabelled: [...document.querySelectorAll('input:not([type=hidden])')].filter(
            e => !e.labels.length).length,
        animations: document.getAnimations().length,
        moving: [...document.querySelectorAll('*')].filter(e => {
            const style = getComputedStyle(e);
            return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0;
        }).length,
    }""")
    expected = {
        "lang": "en", "title": True, "mains": 1, "headings": 1, "scripts": 0, "styles": 0, "handlers": 0,
        "unlabelled": 0, "animations": 0, "moving": 0,
    }
    return [f"{name}: {facts[name]}" for name in expected if facts[name] != expected[name]]


def targets(browser: Chromium) -> list[str]:
    """What can be pressed is large enough for a thumb."""
    return browser.script(
        """return [...document.querySelectorAll('a, button, input:not([type=hidden])')].flatMap(element => {
            const box = element.getBoundingClientRect();
            return Math.min(box.width, box.height) >= arguments[0] ? []
                : [`${element.outerHTML}: ${box.width} x ${box.height}`];
        })""", TARGET_PIXELS)


def width(browser: Chromium) -> list[str]:
    """Nothing is cut off or to be scrolled sideways: at this width, and at 200 % of the narrowest screen."""
    wrong = []
    for pixels in (browser.device.width, 180):
        browser.resize(pixels)
        widest = browser.script("""
            const boxes = [...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect());
            const root = document.documentElement;
            return [root.clientWidth, Math.max(root.scrollWidth, ...boxes.map(b => Math.ceil(b.right))),
                Math.min(...boxes.map(b => Math.floor(b.left)))];""")
        if widest[0] != pixels or widest[1] > pixels or widest[2] < 0:
            wrong.append(f"at {pixels}: {widest}")
    browser.resize(browser.device.width)
    return wrong


def console(browser: Chromium, status: int = 200) -> list[str]:
    """Complaints of the browser: of the policy, of what was not found, of anything else."""
    # It mentions each page that is itself an error.
    expected = re.compile(f"Failed to load resource: the server responded with a status of {status} ")
    return [message for message in browser.console() if status == 200 or not expected.search(message)]


def network(browser: Chromium, origins: list[str]) -> list[str]:
    """Everything comes from the server, and the page with all it fetches is small."""
    wrong = []
    sizes: dict[str, float] = {}
    for event in browser.traffic():
        parameters = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not any(url.startswith(origin + "/") for origin in origins):
                wrong.append(f"fetched {url}")
            if parameters.get("type") == "Document":
                sizes = {}
        elif event["method"] == "Network.loadingFinished":
            sizes[parameters["requestId"]] = parameters["encodedDataLength"]
    weight = sum(sizes.values())
    if not 0 < weight < PAGE_BYTES:
        wrong.append(f"weighs {weight} bytes")
    return wrong


def everything(browser: Chromium, name: str, origins: list[str], status: int = 200) -> list[str]:
    """All checks, and a screenshot; `status` is what the page itself answers."""
    browser.screenshot(name)
    found = [
        *network(browser, origins), *console(browser, status), *structure(browser), *targets(browser),
        *width(browser), *accessibility(browser), *browser.console(),
    ]
    return [f"{name}: {problem}" for problem in found]
