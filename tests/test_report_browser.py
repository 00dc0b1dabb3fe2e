"""The report in a real browser: no complaint, nothing that leaves the page, no sideways scrolling, dark and print."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import AUDIT, LADDER, STRESS, made, saved

from emotone import audio, report, synthetic

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no browser: install chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A full report with players, and a comparison."""
    folder = tmp_path_factory.mktemp("reports")
    content = audio.encode_wav(synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=0.5))
    for file in made().table["file"]:
        path = folder / "audio" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    one = saved(made(), folder / "one", ladder=LADDER, stress=STRESS, audit=AUDIT)
    two = saved(made(seed=1, skill=2), folder / "two")
    return {
        "run": report.write(one, roots={"ravdess": folder / "audio"}),
        "comparison": report.write([one, two]),
    }


def opened(browser: Any, path: Path, *, width: int = 1280, dark: bool = False, media: str = "screen") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(path.as_uri())


def requests(browser: Any) -> list[str]:
    """Addresses that the page asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_it_opens_without_a_complaint_and_asks_for_nothing(browser, written, name):
    opened(browser, written[name])
    assert browser.get_log("browser") == []
    asked = requests(browser)
    assert asked[0] == written[name].as_uri()
    assert all(address.startswith("data:") for address in asked[1:]), asked
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [address for address in names if not address.startswith("data:")] == []
    assert browser.execute_script("return document.querySelector('h1').textContent")


def test_the_policy_stops_whatever_else_would_run_or_load(browser, written):
    opened(browser, written["run"])
    browser.execute_script(
        "window.ran = false; document.body.insertAdjacentHTML('beforeend',"
        ' \'<img src="http://127.0.0.1:9/x.png" onerror="window.ran = true">\');'
    )
    complaints = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "Content Security Policy" in complaints
    assert browser.execute_script("return window.ran") is False


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", ["run", "comparison"])
def test_nothing_scrolls_sideways(browser, written, name, width):
    opened(browser, written[name], width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page, window = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert window == width
    assert page <= width
    if width == 360:  # nor inside, where a part would be out of sight
        hidden = browser.execute_script(
            "return [...document.querySelectorAll('section > .wide, section > figure, .hero')]"
            ".filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.textContent.slice(0, 60))"
        )
        assert hidden == []


def lightness(browser: Any, what: str) -> float:
    """Of a colour of the body, 0 to 255."""
    colour = browser.execute_script(f"return getComputedStyle(document.body).{what}")
    return float(np.mean([int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]))


def test_dark_and_light_and_paper(browser, written):
    opened(browser, written["run"], dark=True)
    assert lightness(browser, "backgroundColor") < 50
    assert lightness(browser, "color") > 200
    opened(browser, written["run"])
    assert lightness(browser, "backgroundColor") > 240
    assert lightness(browser, "color") < 60
    opened(browser, written["run"], dark=True, media="print")
    assert lightness(browser, "backgroundColor") > 240
    assert browser.execute_script("return getComputedStyle(document.querySelector('audio')).display") == "none"


def test_it_prints(browser, written):
    opened(browser, written["run"])
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert 3 < content.count(b"/Type /Page\n") < 20


def test_tables_sort_and_can_be_sorted_by_keyboard(browser, written):
    opened(browser, written["run"])
    values = (
        "return [...document.querySelectorAll('#speakers table[data-sortable] tbody tr')]"
        ".map(row => parseFloat(row.cells[3].textContent))"
    )
    button = "document.querySelector('#speakers table[data-sortable] thead th:nth-child(4) button')"
    assert browser.execute_script(values) == sorted(browser.execute_script(values), reverse=True)
    browser.execute_script(f"{button}.focus()")
    assert browser.execute_script(f"return document.activeElement === {button}")
    browser.execute_script(f"{button}.click(); {button}.click()")
    assert browser.execute_script(values) == sorted(browser.execute_script(values))
    assert browser.execute_script(f"return {button}.parentNode.getAttribute('aria-sort')") == "ascending"


def test_recordings_play(browser, written):
    opened(browser, written["run"])
    length = browser.execute_async_script(
        "const done = arguments[0], player = document.querySelector('audio');"
        "player.addEventListener('loadedmetadata', () => done(player.duration));"
        "player.addEventListener('error', () => done(-1)); player.preload = 'auto'; player.load();"
    )
    assert length == pytest.approx(0.5, abs=0.15)
    assert browser.execute_script("return document.querySelectorAll('audio').length") == 10


def test_without_script_it_is_complete(browser, written, tmp_path):
    page = re.sub(r"<script>.*?</script>", "", written["run"].read_text("utf-8"), flags=re.DOTALL)
    assert "<script" not in page
    (tmp_path / "still.html").write_text(page, "utf-8")
    opened(browser, tmp_path / "still.html")
    assert browser.get_log("browser") == []
    texts = []
    for path in (written["run"], tmp_path / "still.html"):
        opened(browser, path)
        browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        texts.append(browser.execute_script("return document.querySelector('main').textContent"))
    assert texts[0] == texts[1]
