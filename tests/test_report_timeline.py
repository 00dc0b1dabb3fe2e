"""The page of a timeline: what it holds, and what it does in a real browser."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_report_browser import browser, lightness, opened, requests  # noqa: F401 - a fixture among them

from emotone import formats, report, synthetic
from emotone.errors import AudioError, ExperimentError
from emotone.report._timeline import FEWEST
from emotone.segment import Segment

RATE = 16_000
SECONDS = 12.0


def segments(source: Path | None = None, channel: int | None = None) -> list[Segment]:
    """Three seconds each: silence, anger, doubt, sadness."""
    scores = {"neutral": 0.1, "sad": 0.2, "angry": 0.7}
    even = {"neutral": 0.3, "sad": 0.3, "angry": 0.4}
    return [
        Segment(0, 3, None, 0.0, {}, ("no_speech",), source, channel=channel),
        Segment(3, 6, "angry", 0.7, scores, ("clipped",), source, likely=("sad", "angry"), channel=channel),
        Segment(6, 9, None, 0.4, even, ("uncertain",), source, channel=channel, speaker="Ann <b>"),
        Segment(9, SECONDS, "sad", 0.8, {"neutral": 0.1, "sad": 0.8, "angry": 0.1}, (), source, channel=channel),
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / 'a "call" <1>.wav'
    sound = synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=SECONDS)
    sound = np.tile(sound, 20)[: round(SECONDS * RATE)]
    soundfile.write(path, np.stack([sound, np.zeros_like(sound)], axis=1), RATE)
    return path


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL)
    assert found
    return json.loads(found.group(1))


# --- what it holds ---


def test_all_segments_are_in_the_table_and_in_the_data(recording):
    page = report.timeline(segments(recording))
    data = data_of(page.html)
    assert [
        Segment.from_dict({k: v for k, v in each.items() if k != "name"}) for each in data["segments"]
    ] == segments()
    assert [each["name"] for each in data["segments"]] == ["no speech", "angry", "uncertain", "sad"]
    assert data["names"] == ["sad", "angry", "uncertain", "no speech"]
    assert page.html.count("<tr") == 5
    assert "Clipped: recorded too loud" in page.html
    assert page.default == Path('a "call" <1>.html')
    assert page.sound == 0


def test_names_of_files_and_people_are_never_markup(recording):
    html = report.timeline(segments(recording)).html
    assert "<b>" not in html
    assert "a &quot;call&quot; &lt;1&gt;.wav" in html
    assert "<1>" not in html


def test_the_shape_of_the_sound_is_that_of_each_channel(recording):
    page = report.timeline(segments(recording, 0) + segments(recording, 1))
    loud, quiet = (
        np.frombuffer(base64.b64decode(row["shape"]), np.int8).reshape(-1, 2) for row in data_of(page.html)["rows"]
    )
    assert loud.shape == quiet.shape == (FEWEST, 2)
    assert np.abs(loud).max() == 127
    assert not quiet.any()
    sound = soundfile.read(recording)[0][:, 0]
    columns = sound.reshape(FEWEST, -1)
    peak = np.abs(sound).max()
    assert np.abs(loud[:, 0] - 127 * np.minimum(columns.min(axis=1), 0) / peak).max() <= 1
    assert np.abs(loud[:, 1] - 127 * np.maximum(columns.max(axis=1), 0) / peak).max() <= 1


def test_sound_is_inside_only_if_asked_for_and_not_all_of_it(recording, monkeypatch):
    assert "<audio" not in report.timeline(segments(recording)).html
    page = report.timeline(segments(recording), embed=True)
    assert page.sound == pytest.approx(SECONDS)
    assert "data:audio/" in page.html
    monkeypatch.setattr("emotone.report._timeline.LONGEST_SOUND", 5.0)
    assert report.timeline(segments(recording), embed=True).sound == pytest.approx(5.0)


def test_without_the_recording_there_are_segments_still(tmp_path):
    page = report.timeline(segments(tmp_path / "gone.wav"), title="gone")
    assert data_of(page.html)["rows"] == [{"channel": None, "shape": None}]
    with pytest.raises(AudioError, match="no file"):
        report.timeline(segments(), source=tmp_path / "gone.wav")
    with pytest.raises(ExperimentError, match="no timeline to show"):
        report.timeline([])


# --- in a browser ---


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    each = segments(recording, 0) + segments(recording, 1)
    numbers = [Segment(0, SECONDS, None, 0.0, {}, (), recording, dimensions={"arousal": 3.2, "valence": -0.1})]
    return {
        "heard": report.save(report.timeline(segments(recording), embed=True), folder / "heard.html"),
        "channels": report.save(report.timeline(each), folder / "channels.html"),
        "dimensions": report.save(report.timeline(numbers), folder / "dimensions.html"),
    }


@pytest.mark.parametrize("name", ["heard", "channels", "dimensions"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_it_opens_without_a_complaint_and_asks_for_nothing(browser, pages, name, width, dark):  # noqa: F811
    opened(browser, pages[name], width=width, dark=dark)
    assert browser.get_log("browser") == []
    asked = requests(browser)
    assert all(address.startswith("data:") for address in asked[1:]), asked
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert (lightness(browser, "backgroundColor") < 50) == dark
    painted = "return new Set(document.querySelector('canvas').getContext('2d').getImageData(0, 0, 300, 200).data).size"
    assert browser.execute_script(painted) > 5


def test_a_click_plays_the_segment_and_stops_at_its_end(browser, pages):  # noqa: F811
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    opened(browser, pages["heard"])
    chart = browser.find_element("css selector", ".chart")
    width = chart.size["width"]
    place = round(width * (4.5 / SECONDS - 0.5)), -40  # from the middle
    chains(browser).move_to_element_with_offset(chart, *place).click().perform()
    assert browser.execute_script("return selected") == 1
    told = browser.find_element("css selector", ".told").text
    assert "angry 70 %" in told
    assert "Can't be ruled out: sad, angry" in told
    assert wait_for(browser, "return !audio.paused && audio.currentTime")
    assert 2.9 <= browser.execute_script("return audio.currentTime") <= 6
    browser.execute_script("audio.currentTime = 5.8")
    assert wait_for(browser, "return audio.paused")
    assert browser.execute_script("return audio.currentTime") == pytest.approx(6, abs=0.3)
    moved = browser.execute_script("return cursor.getBoundingClientRect().left - chart.getBoundingClientRect().left")
    assert moved == pytest.approx(width / 2, abs=0.04 * width)


def test_keys_go_from_segment_to_segment_and_zoom(browser, pages):  # noqa: F811
    opened(browser, pages["heard"])
    chart = browser.find_element("css selector", ".chart")
    chart.send_keys("\ue012")  # left, with nothing selected
    assert browser.execute_script("return selected") == -1
    for _ in range(2):
        chart.send_keys("\ue014")  # right
    assert browser.execute_script("return [selected, document.querySelectorAll('tr.now').length]") == [1, 1]
    chart.send_keys("++")
    start, end = browser.execute_script("return [view.from, view.to]")
    assert (start, end) == pytest.approx((3, 6))
    chart.send_keys("\ue010")  # end
    assert browser.execute_script("return [selected, view.to]") == [3, SECONDS]
    chart.send_keys("0")
    assert browser.execute_script("return [view.from, view.to]") == [0, SECONDS]


def test_what_is_shown_is_saved(browser, pages, tmp_path):  # noqa: F811
    opened(browser, pages["heard"])
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    chip = browser.find_elements("css selector", ".chip")[-1]
    assert chip.text.startswith("no speech")
    chip.click()
    assert "3 of 4 segments shown" in browser.find_element("css selector", "main").text
    assert browser.execute_script("return document.querySelectorAll('tbody tr:not([hidden])').length") == 3
    for button in browser.find_elements("css selector", ".controls button"):
        if button.text.startswith("Save"):
            button.click()
    for ending in ("csv", "json"):
        deadline = time.monotonic() + 10
        while not (found := list(tmp_path.glob(f"*.{ending}"))) and time.monotonic() < deadline:
            time.sleep(0.1)
        formats.write(segments()[1:], tmp_path / f"ours.{ending}")
        assert formats.read(found[0]) == formats.read(tmp_path / f"ours.{ending}")
        assert len(formats.read(found[0])) == 3


def test_a_recording_from_ones_own_disk_is_heard(browser, pages, recording):  # noqa: F811
    opened(browser, pages["channels"])
    assert browser.execute_script("return document.querySelectorAll('audio').length") == 0
    browser.find_element("css selector", "input[type=file]").send_keys(str(recording))
    assert wait_for(browser, "return audio && audio.duration")
    assert browser.execute_script("return audio.duration") == pytest.approx(SECONDS, abs=0.1)
    assert browser.get_log("browser") == []
    browser.find_elements("css selector", "tbody button")[3].send_keys("\ue007")  # enter
    assert wait_for(browser, "return !audio.paused && audio.currentTime > 8.9")


def wait_for(browser: Any, script: str) -> Any:  # noqa: F811
    deadline = time.monotonic() + 10
    while not (found := browser.execute_script(script)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
