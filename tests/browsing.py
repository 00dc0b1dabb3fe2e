"""The server's page in a real browser, and what people do with it."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server

from emotone import formats
from emotone.segment import Segment

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


class Page:
    """A browser with the page open, and what people do with it."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def __getattr__(self, name: str) -> Any:  # an element by its id, with _ for -
        return self.driver.find_element("id", name.replace("_", "-"))

    def js(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def later(self, script: str, *given: Any) -> Any:
        """What a script hands to ``done``."""
        return self.driver.execute_async_script(f"const done = arguments[arguments.length - 1]; {script}", *given)

    @property
    def phase(self) -> str:
        return str(self.js("return document.body.dataset.phase"))

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (found := condition()):
            trouble = self.js("return document.getElementById('trouble-words').textContent")
            assert time.monotonic() < end, f"{self.phase}: {self.status.text} {trouble}"
            time.sleep(0.05)
        return found

    def open(
        self, server: Server | str, *, width: int = 1280, height: int = 900, dark: bool = False, idle: bool = True
    ) -> None:
        self.look(width=width, height=height, dark=dark)
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get("about:blank")
        self.driver.get(server if isinstance(server, str) else server.url)
        if idle:
            self.until(lambda: self.phase == "idle")

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, still: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def hear(self, path: Path) -> None:
        """Open a file, and wait until it was heard."""
        self.file.send_keys(str(path))
        self.until(lambda: self.phase == "idle" and (self.rows() or self.trouble.is_displayed()))

    def speak(self, seconds: float) -> None:
        self.press("record")
        self.until(lambda: self.phase == "recording")
        self.until(lambda: self.recorded >= seconds, seconds + 60)

    def finish(self) -> None:
        self.press("record")
        self.until(lambda: self.phase == "idle")

    @property
    def recorded(self) -> float:
        minutes, seconds = self.length.text.split(":")
        return 60 * int(minutes) + float(seconds)

    def press(self, name: str) -> None:
        self.driver.find_element("id", name).click()

    def pick(self, name: str, value: str) -> None:
        self.js(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))",
            getattr(self, name),
            value,
        )

    def rows(self) -> list[list[str]]:
        """The table: times, what was heard, how sure, what can't be ruled out."""
        script = (
            "return [...document.querySelectorAll('#table tr')].map(row => [...row.cells].map(one => one.textContent))"
        )
        return list(self.js(script))

    def saved(self, name: str) -> Path:
        """The file that a button of the page saves."""
        for old in self.downloads.iterdir():
            old.unlink()
        self.press(f"save-{name}")
        return self.until(lambda: [file for file in self.downloads.iterdir() if _is_whole(file)])[0]

    def segments(self) -> list[Segment]:
        return formats.read(self.saved("json"))

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked(self) -> list[str]:
        """Addresses that the page asked for."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        opened = [each["params"] for each in messages if each["method"] == "Network.webSocketCreated"]
        sent = [each["params"]["request"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["url"] for each in (*sent, *opened)]


def _is_whole(file: Path) -> bool:
    return file.suffix not in (".crdownload", ".tmp") and file.stat().st_size > 0


@contextlib.contextmanager
def browsing(microphone: Path | None, downloads: Path, *more: str) -> Iterator[Page]:
    """Chromium, whose microphone plays a WAV file once; skips where it isn't installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no browser: install chromium and chromedriver")
    downloads.mkdir(exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio", *more]
    if microphone is not None:
        arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    try:
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        yield Page(driver, downloads)
    finally:
        driver.quit()
