"""The server's page in a real browser with a fake microphone: what people see is what `Recogniser.timeline` says."""

from __future__ import annotations

import base64
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from browsing import Page, browsing
from joined import joined
from serving import Server, serving

import emotone
from emotone import audio, formats, labels, synthetic
from emotone.audio import SAMPLE_RATE
from emotone.recogniser import Recogniser
from emotone.segment import FLAGS, Segment
from emotone.stream import StreamOptions

TOKEN = "a-token-that-is-long-enough"
SUFFIXES = {
    "json": ".json",
    "jsonl": ".jsonl",
    "csv": ".csv",
    "textgrid": ".TextGrid",
    "audacity": ".txt",
    "vtt": ".vtt",
    "rttm": ".rttm",
    "parquet": ".parquet",
}
UNSURE = "can’t tell"


# --- sound that is known ---


def written(path: Path, clips: list[tuple[audio.Signal, str]], rng: np.random.Generator) -> Path:
    made = joined(clips, rng=rng, pauses=(0.7, 1.0))
    soundfile.write(path, np.clip(made.signal, -1, 1), SAMPLE_RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return emotone.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def made_up(folder: Path) -> Path:
    """Two synthetic utterances with pauses."""
    rng = np.random.default_rng(2)
    clips = [(synthetic.speech(name, 4, rng=rng, seconds=2.2, strength=1.3), name) for name in ("angry", "sad")]
    return written(folder / "made up.wav", clips, rng)


@pytest.fixture(scope="module")
def real(folder: Path, data: Path) -> Path:
    """Three utterances of an actor with pauses."""
    files = [data / "ravdess" / "Actor_04" / f"03-01-0{emotion}-02-01-01-04.flac" for emotion in (5, 4, 3)]
    return written(folder / "real.wav", [(audio.load(file), file.name) for file in files], np.random.default_rng(1))


@pytest.fixture(scope="module")
def both_channels(folder: Path, made_up: Path) -> Path:
    """The same, and on the other channel later."""
    sound, rate = soundfile.read(made_up, dtype="int16")
    path = folder / "both.wav"
    soundfile.write(path, np.stack([sound, np.roll(sound, 3 * rate)], axis=1), rate)
    return path


# --- a browser, and servers ---


@pytest.fixture(scope="module")
def page(made_up: Path, folder: Path) -> Iterator[Page]:
    with browsing(made_up, folder / "saved", "--host-resolver-rules=MAP emotone.test 127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(models=("default", "open"), workers=2, decoders=1, job_seconds=30, hosts=("emotone.test",)) as running:
        yield running


@pytest.fixture(scope="module")
def tight() -> Iterator[Server]:
    """One that asks for a token, and takes little at once."""
    with serving(workers=1, decoders=1, token=TOKEN, max_stream_seconds=3, max_upload_bytes=10_000) as running:
        yield running


def named(segment: Segment) -> str:
    """What the page calls it."""
    return segment.emotion or ("no speech" if "no_speech" in segment.flags else UNSURE)


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(10 * seconds), 600)
    return f"{minutes}:{rest / 10:04.1f}"


def as_row(segment: Segment) -> list[str]:
    where = "" if segment.channel is None else f" ch. {segment.channel + 1}"
    times = f"{clock(segment.start)}–{clock(segment.end)}{where}"
    sure = f"{100 * segment.confidence:.0f} %" if segment.scores else ""
    notes = "".join(f" {FLAGS[flag]}" for flag in segment.flags if flag not in ("no_speech", "uncertain"))
    return [times, named(segment) + notes, sure, ", ".join(segment.likely)]


# --- the microphone ---


def check_a_recording(page: Page, server: Server, rec: Recogniser, seconds: float, n_speaking: int) -> None:
    page.open(server)
    page.press("record")
    page.until(lambda: page.phase == "recording")
    page.until(lambda: page.answer_title.text.lower() == "now, so far", seconds + 60)
    assert page.headline.text in (*rec.labels, UNSURE)
    page.until(lambda: page.recorded >= seconds + 0.5, seconds + 60)
    live = page.rows()
    assert len(live) >= 2 * n_speaking - 1  # while it is still being recorded
    page.finish()
    sound = page.saved("sound")
    sound = sound.rename(page.downloads.parent / "sent.wav")
    info = soundfile.info(sound)
    assert (info.channels, info.subtype) == (1, "PCM_16")
    assert info.duration == pytest.approx(page.recorded, abs=0.06)
    heard = rec.timeline(sound)
    assert sum("no_speech" not in segment.flags for segment in heard) >= n_speaking
    assert page.segments() == heard
    assert page.rows() == [as_row(segment) for segment in heard]
    assert live == page.rows()[: len(live)]
    assert page.complaints() == []


def test_what_is_spoken_is_heard_as_the_same_recording_is(page, server, rec, made_up, folder):
    check_a_recording(page, server, rec, soundfile.info(made_up).duration, 2)
    page.press("adapt")
    page.press("again")
    page.until(lambda: page.phase == "idle" and page.rows())
    assert page.segments() == rec.timeline(folder / "sent.wav", options=StreamOptions(adapt=True))
    assert all(address.startswith((server.url, server.ws, "blob:")) for address in page.asked())


def test_so_is_a_real_voice(server, rec, real, folder):
    with browsing(real, folder / "saved by another") as page:
        check_a_recording(page, server, rec, soundfile.info(real).duration, 3)


def test_a_microphone_that_is_blocked_is_said(server, folder):
    with browsing(None, folder / "saved", "--use-fake-device-for-media-stream", "--deny-permission-prompts") as page:
        page.open(server)
        page.press("record")
        page.until(lambda: page.trouble.is_displayed())
        assert "microphone is blocked" in page.trouble_words.text
        assert page.phase == "idle"
        page.press("dismiss")
        assert not page.trouble.is_displayed()
        assert page.complaints() == []


def test_an_insecure_address_has_no_microphone_and_files_still(page, server, made_up):
    page.open(f"http://emotone.test:{server.port}")
    assert not page.record.is_enabled()
    assert "over https" in page.status.text
    assert "emotone.test" in page.privacy_words.text
    assert "on this computer" not in page.where.text
    page.hear(made_up)
    assert len(page.rows()) == 5


def test_a_server_that_dies_takes_nothing_along(page, rec, folder):
    with serving(workers=1, decoders=1) as dying:
        page.open(dying)
        page.speak(4.2)
        page.until(lambda: len(page.rows()) >= 2)
        dying.process.kill()
        page.until(lambda: page.phase == "idle")
        before = page.rows()
        assert len(before) >= 2
        assert "connection to the server was lost" in page.trouble_words.text
        assert "is kept" in page.status.text
        sound = page.saved("sound").rename(folder / "kept.wav")
        assert soundfile.info(sound).duration > 4
        kept = page.segments()  # by the page itself
        assert kept == rec.timeline(sound)[: len(kept)]
        page.press("rehear")
        page.until(lambda: page.phase == "idle" and page.trouble.is_displayed())
        assert "can’t be reached" in page.trouble_words.text.replace("'", "’")
        assert page.rows() == before
        dying.process.wait()


def test_the_end_that_a_server_sets_is_told_and_nothing_lost(page, tight):
    page.open(f"{tight.url}/#token={TOKEN}")
    page.press("record")
    page.until(lambda: page.phase == "idle" and page.rows())
    assert "up to 3 seconds" in page.status.text
    assert 2.5 <= page.recorded <= 3
    assert page.complaints() == []


# --- files ---


@pytest.mark.parametrize("channels", ["mix", "each"])
def test_a_file_is_heard_as_by_the_library(page, server, rec, both_channels, channels):
    page.open(server)
    page.pick("channels", channels)
    page.hear(both_channels)
    heard = rec.timeline(both_channels, channels=channels)
    assert page.segments() == heard
    assert page.rows() == [as_row(segment) for segment in heard]
    assert page.what.text == "both.wav"
    assert page.complaints() == []


def test_channels_are_switched(page, server, rec, both_channels):
    page.open(server)
    page.hear(both_channels)
    page.pick("channels", "each")
    page.press("again")
    page.until(lambda: page.phase == "idle" and page.driver.find_elements("css selector", "#rows button"))
    buttons = page.driver.find_elements("css selector", "#rows button")
    assert [button.text for button in buttons] == ["Both channels", "Channel 1", "Channel 2"]
    buttons[2].click()
    pressed = "return [...document.querySelectorAll('#rows button')].map(one => one.getAttribute('aria-pressed'))"
    assert page.js(pressed) == ["false", "false", "true"]
    page.chart.send_keys("\ue011")  # home: the first segment of the channel that is shown
    assert "channel 2" in page.when.text


def test_every_format_is_saved_as_the_library_writes_it(page, server, rec, made_up, folder):
    page.open(server)
    page.hear(made_up)
    heard = rec.timeline(made_up)
    for name, suffix in SUFFIXES.items():
        file = page.saved(name)
        assert file.name == f"made up{suffix}"
        ours = formats.write(heard, folder / f"ours{suffix}", format=name, source="made up")
        if name == "parquet":
            assert formats.read(file) == formats.read(ours)
        else:
            assert file.read_bytes() == ours.read_bytes()
    assert page.complaints() == []


def test_a_dropped_video_is_heard_and_its_sound_drawn(page, server, rec, made_up, folder):
    video = folder / "film.webm"
    film(video, made_up)
    page.open(server)
    page.js(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const brought = new DataTransfer();
        brought.items.add(new File([bytes], "film.webm", {type: "video/webm"}));
        for (const type of ["dragenter", "dragover", "drop"])
          document.body.dispatchEvent(new DragEvent(type, {dataTransfer: brought, bubbles: true, cancelable: true}));
        """,
        base64.b64encode(video.read_bytes()).decode(),
    )
    page.until(lambda: page.rows() and page.phase == "idle")
    assert page.segments() == rec.timeline(video)
    assert page.what.text == "film.webm"
    page.until(lambda: page.length.text == clock(soundfile.info(made_up).duration))
    page.until(lambda: painted(page, 0, 0.35) > 50)
    assert page.complaints() == []


def film(path: Path, sound: Path) -> None:
    """A grey film with this sound."""
    samples, rate = soundfile.read(sound, dtype="int16")
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libvpx", rate=5, width=64, height=48, pix_fmt="yuv420p")
        voice = container.add_stream("libopus", rate=48_000, layout="mono")
        for _ in range(round(5 * len(samples) / rate)):
            grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            container.mux(picture.encode(grey))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        for each in av.AudioResampler(format="flt", layout="mono", rate=48_000).resample(frame):
            container.mux(voice.encode(each))
        container.mux(voice.encode(None))
        container.mux(picture.encode(None))


def painted(page: Page, top: float, bottom: float) -> int:
    """How many dots between two heights (shares) of the drawing are in colour."""
    script = """
        const canvas = document.querySelector("canvas");
        const [from, to] = [...arguments].map((share) => share * canvas.height);
        const dots = canvas.getContext("2d").getImageData(0, from, canvas.width, to - from).data;
        const spread = (i) => Math.max(...dots.slice(i, i + 3)) - Math.min(...dots.slice(i, i + 3));
        return Array.from({length: dots.length / 4}, (_, n) => spread(4 * n)).filter((one) => one > 60).length;
    """
    return int(page.js(script, top, bottom))


def test_what_is_no_recording_is_refused_in_words(page, server, folder):
    (folder / "letter.txt").write_text("Dear all")
    page.open(server)
    page.file.send_keys(str(folder / "letter.txt"))
    page.until(lambda: page.trouble.is_displayed() and page.phase == "idle")
    assert page.trouble_words.text
    assert "Traceback" not in page.trouble_words.text
    assert page.status.text == "It wasn’t heard."
    assert page.record.is_enabled()


def test_what_is_too_large_is_not_even_sent(page, tight, made_up):
    page.open(f"{tight.url}/#token={TOKEN}")
    page.file.send_keys(str(made_up))
    page.until(lambda: page.trouble.is_displayed())
    assert "10 kB" in page.trouble_words.text
    assert not [address for address in page.asked() if "v1/timeline" in address]


def test_a_long_recording_is_a_job_that_can_be_cancelled(page, server, rec, made_up, folder):
    sound = np.tile(soundfile.read(made_up, dtype="int16")[0], 6)
    soundfile.write(folder / "long.wav", sound, SAMPLE_RATE)
    page.open(server)
    page.hear(folder / "long.wav")
    assert [address for address in page.asked() if "/v1/jobs/" in address]
    heard = rec.timeline(folder / "long.wav")
    assert page.segments() == heard
    soundfile.write(folder / "longer.wav", np.tile(sound, 12), SAMPLE_RATE)
    page.file.send_keys(str(folder / "longer.wav"))
    page.until(lambda: page.phase == "hearing" and " of " in page.how_far.text)
    assert page.record.text == "Cancel"
    page.press("record")
    page.until(lambda: page.phase == "idle")
    assert page.status.text == "Cancelled."
    page.until(lambda: server.metric("emotone_jobs") == 0)
    assert page.complaints() == []


# --- playing and choosing ---


def test_a_click_plays_the_segment_and_stops_at_its_end(page, server, rec, made_up):
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    page.open(server)
    page.hear(made_up)
    heard = rec.timeline(made_up)
    segment = next(each for each in heard if each.scores)
    width, margin = page.chart.size["width"], 84
    middle = margin + (segment.start + segment.end) / 2 / heard[-1].end * (width - margin)
    chains(page.driver).move_to_element_with_offset(page.chart, round(middle - width / 2), -60).click().perform()
    assert page.headline.text == named(segment)
    assert page.answer_title.text.lower() == "chosen"
    page.until(lambda: page.play.get_attribute("aria-label") == "Pause")
    page.until(lambda: page.play.get_attribute("aria-label") == "Play")
    assert seconds_of(page.time.text) == pytest.approx(segment.end, abs=0.3)
    shift = page.js(
        "const line = document.querySelector('.cursor').getBoundingClientRect();"
        "return line.left - document.getElementById('chart').getBoundingClientRect().left"
    )
    assert shift == pytest.approx(margin + seconds_of(page.time.text) / heard[-1].end * (width - margin), abs=12)


def seconds_of(text: str) -> float:
    minutes, seconds = text.split(":")
    return 60 * int(minutes) + float(seconds)


def test_the_answer_follows_what_is_played(page, server, rec, made_up):
    page.open(server)
    page.hear(made_up)
    heard = rec.timeline(made_up)
    page.press("play")
    page.until(lambda: page.answer_title.text.lower() == "at the cursor")
    page.until(lambda: page.headline.text == named(heard[1]))
    assert page.when.text == f"{clock(heard[1].start)}–{clock(heard[1].end)}"
    assert len(page.driver.find_elements("css selector", "tr.now")) == 1
    page.press("play")
    page.until(lambda: page.play.get_attribute("aria-label") == "Play")


def test_everything_can_be_done_by_keys(page, server, rec, made_up):
    page.open(server)
    page.hear(made_up)
    heard = rec.timeline(made_up)
    page.chart.send_keys("\ue011")  # home
    assert page.when.text.startswith("0:00.0")
    page.chart.send_keys("\ue014")  # right
    assert page.headline.text == named(heard[1])
    said = page.js("return document.getElementById('said').textContent")
    assert said == spoken(heard[1])
    page.chart.send_keys("\ue007")  # enter
    page.until(lambda: page.play.get_attribute("aria-label") == "Pause")
    page.chart.send_keys(" ")
    page.until(lambda: page.play.get_attribute("aria-label") == "Play")
    page.chart.send_keys("++")
    assert "hidden" not in page.pan.get_attribute("class")
    page.chart.send_keys("0")
    assert "hidden" in page.pan.get_attribute("class")
    reached = tabbed(page)
    wanted = ["record", "file", "model", "channels", "adapt", "chart", "play", "position", "wider", "closer", "whole"]
    assert [name for name in reached if name in wanted] == wanted
    assert {"save-json", "learn", "learn-files"} <= set(reached)


def spoken(segment: Segment) -> str:
    times = f"{segment.start:.1f} to {segment.end:.1f} seconds"
    sure = "" if segment.emotion is None else f", {100 * segment.confidence:.0f} %"
    return f"{named(segment)}{sure}, {times}"


def tabbed(page: Page) -> list[str]:
    """Ids of what the key Tab reaches, in order; each must show that it has the focus."""
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    page.js("document.querySelector('.skip').focus()")
    found: list[str] = []
    for _ in range(60):
        chains(page.driver).send_keys("\ue004").perform()
        name, outline = page.js(
            "const e = document.activeElement, seen = e.closest('.button') ?? e;"
            "return [e === document.body ? null : e.id, getComputedStyle(seen).outlineStyle]"
        )
        if name is None:
            break
        assert outline == "solid", name
        found.append(name)
    return found


# --- a voice ---


def test_a_voice_is_known_used_and_forgotten(page, server, rec, made_up):
    page.open(server)
    page.hear(made_up)
    stranger = page.rows()
    page.learn_files.send_keys(str(made_up))
    page.until(lambda: page.phase == "idle" and "is known" in page.voice_status.text)
    page.press("again")
    page.until(lambda: page.phase == "idle" and page.rows())
    assert page.rows() != stranger
    assert [row[0] for row in page.rows()] == [row[0] for row in stranger]
    page.pick("model", "open")  # which doesn't know it
    page.press("again")
    page.until(lambda: page.phase == "idle" and page.rows())
    page.pick("model", "default")
    page.press("forget")
    page.until(lambda: "is forgotten" in page.voice_status.text)
    page.press("again")
    page.until(lambda: page.phase == "idle" and page.rows())
    assert page.rows() == stranger
    assert page.complaints() == []


def test_a_voice_is_learnt_from_the_microphone(page, server):
    page.open(server)
    page.press("learn")
    page.until(lambda: "stop here" in page.learn_words.text)
    assert not page.record.is_enabled()
    page.press("learn")
    page.until(lambda: page.phase == "idle")
    assert "is known, from 2 utterances" in page.voice_status.text
    assert page.complaints() == []


def test_a_voice_that_the_server_forgot_is_dropped(page, made_up):
    with serving(workers=1, decoders=1, voice_keep_seconds=1) as forgetful:
        page.open(forgetful)
        page.learn_files.send_keys(str(made_up))
        page.until(lambda: page.phase == "idle" and "is known" in page.voice_status.text)
        time.sleep(1.2)
        page.press("record")
        page.until(lambda: "has forgotten your voice" in page.voice_status.text)
        page.until(lambda: page.phase == "idle" and page.trouble.is_displayed())
        assert "Calibrate again" in page.trouble_words.text
        assert not page.forget.is_displayed()
        page.speak(0.5)  # by what is known of anybody
        page.finish()
        assert page.rows()
        assert page.complaints() == []


# --- who may ---


def test_a_token_is_asked_for_where_one_is_needed(page, tight):
    page.open(tight, idle=False)
    page.until(lambda: page.key.is_displayed())
    assert not page.record.is_enabled()
    page.token.send_keys("not the right token\n")
    page.until(lambda: "isn’t the right one" in page.key_note.text)
    page.token.clear()
    page.token.send_keys(f"{TOKEN}\n")
    page.until(lambda: page.phase == "idle")
    assert not page.key.is_displayed()
    page.speak(0.5)
    page.finish()
    assert page.rows()


def test_a_link_brings_the_token_and_the_address_forgets_it(page, tight):
    page.open(f"{tight.url}/#token={TOKEN}")
    assert page.js("return location.href") == f"{tight.url}/"
    page.speak(0.5)
    page.finish()
    assert page.rows()
    assert page.complaints() == []


# --- how it looks ---


def test_nothing_jumps(page, server, made_up):
    watch = """
        window.shifts = [];
        const named = (source) => source.node?.id || source.node?.className || source.node?.nodeName;
        new PerformanceObserver((list) => {
          const unasked = list.getEntries().filter((one) => !one.hadRecentInput);
          shifts.push(...unasked.map((one) => [one.value, one.sources.map(named)]));
        }).observe({type: "layout-shift", buffered: true});
    """
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
    try:
        for width in (1280, 360):
            page.open(server, width=width, height=5000)  # only what is in view counts
            if width == 1280:
                page.speak(3.8)
                page.finish()
            page.hear(made_up)
            shifts = page.js("return shifts")
            assert sum(value for value, _ in shifts) < 0.0005, shifts
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_and_can_be_read(page, server, made_up, width, dark):
    page.open(server, width=width, dark=dark)
    page.hear(made_up)
    page.js("document.querySelector('details').open = true")
    assert page.js("return document.documentElement.scrollWidth") <= width
    weak = [found for found in contrasts(page) if found[0] < found[1]]
    assert weak == []
    small = page.js("""
        return [...document.querySelectorAll("button, select, input[type=range]")]
          .filter((one) => one.checkVisibility({visibilityProperty: true}))
          .map((one) => [one.id || one.textContent, one.getBoundingClientRect()])
          .filter(([, box]) => box.height < 24 || box.width < 24);
    """)
    assert small == []
    background = page.js("return getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(part) for part in re.findall(r"\d+", background)[:3]]) < 50) == dark
    assert painted(page, 0, 1) > 500
    assert page.complaints() == []


def contrasts(page: Page) -> list[tuple[float, float, str]]:
    """Of each visible text: its contrast with what is behind it, the least that WCAG 2.2 AA wants, and its words."""
    found = page.js("""
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
        const behind = (element) => {
          const tint = getComputedStyle(element).backgroundColor;
          return tint.endsWith(", 0)") ? behind(element.parentElement) : tint;
        };
        while (walk.nextNode()) {
          const element = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
          const seen = element.checkVisibility({visibilityProperty: true, opacityProperty: true});
          if (!text || !seen || element.closest(":disabled, .off, .unseen, option")) continue;
          const style = getComputedStyle(element);
          found.push([style.color, behind(element), parseFloat(style.fontSize), parseInt(style.fontWeight), text]);
        }
        return found;
    """)
    assert len(found) > 60
    return [
        (contrast(rgb(ink), rgb(ground)), 3.0 if size >= 24 or (size >= 18.66 and weight >= 700) else 4.5, text)
        for ink, ground, size, weight, text in found
    ]


def rgb(text: str) -> tuple[float, ...]:
    if text.startswith("#"):
        return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(float(part) for part in re.findall(r"[\d.]+", text)[:3])


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG's ratio of two colours."""

    def luminance(colour: tuple[float, ...]) -> float:
        shares = [part / 255 for part in colour]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_names_can_be_read_on_their_colours_and_colours_told_from_paper(page, server):
    page.open(server)
    for tint in labels.COLOURS.values():
        ink = page.later("import('/words.js').then(words => done(words.inkOn(arguments[0])))", tint)
        assert contrast(rgb(ink), rgb(tint)) >= 4.5
        assert contrast(rgb(tint), rgb("#ffffff")) >= 2.9  # happy and surprised; names stand beside all of them
    page.look(dark=True)
    paper = page.js("return getComputedStyle(document.querySelector('.stage')).backgroundColor")
    assert min(contrast(rgb(tint), rgb(paper)) for tint in labels.COLOURS.values()) >= 3


def test_flags_have_the_words_of_the_library(page, server):
    page.open(server)
    assert page.later("import('/words.js').then(words => done(words.FLAGS))") == FLAGS


def test_screen_readers_find_a_name_for_everything(page, server, made_up):
    page.open(server)
    page.hear(made_up)
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    kinds = ("button", "slider", "combobox", "checkbox", "textbox", "application", "table", "link", "region")
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and node["role"]["value"] in kinds
    ]
    assert [kind for kind, name in found if not name.strip()] == []
    assert ("application", "Sound and segments over time") in found
    rows = [node for node in nodes if not node.get("ignored") and node["role"]["value"] == "row"]
    assert len(rows) == 6
    levels = page.js(
        "return [...document.querySelectorAll('h1, h2, h3')].filter(e => e.checkVisibility()).map(e => +e.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.js("return document.documentElement.lang") == "en"


def test_nothing_moves_for_those_who_asked_for_stillness(page, server):
    page.open(server)
    page.speak(0.5)
    assert page.js("return document.getAnimations().length") > 0
    page.look(still=True)
    assert page.js("return document.getAnimations().length") == 0
    page.finish()


# --- for hours ---


def test_a_day_of_sound_has_a_shape_of_bounded_size(page, server):
    page.open(server)
    count, size, low, high, away = page.later("""
        import("/sound.js").then(({Shape}) => {
          const shape = new Shape(100), hour = new Int16Array(360000);
          hour[180000] = 32767;
          hour[180001] = -32768;
          for (let n = 0; n < 24; n++) shape.add(hour, 32768);
          done([shape.count, shape.low.length, ...shape.between(1790, 1810), shape.between(2000, 2100)]);
        });
    """)
    assert count <= size == 1 << 16
    assert (low, high) == (-1, 1)
    assert away == [0, 0]


def test_a_long_wav_file_is_drawn_without_being_decoded_whole(page, server):
    page.open(server)
    seconds, first, second, quiet = page.later("""
        import("/sound.js").then(async ({Tape, inspect}) => {
          const tape = new Tape(8000), minute = new Int16Array(480000);
          minute[1000] = 16384;
          for (let n = 0; n < 11; n++) tape.add(minute);
          const file = tape.wav(), {seconds, shapes: [shape]} = await inspect(file, URL.createObjectURL(file));
          done([seconds, shape.between(0, 1), shape.between(600, 601), shape.between(30, 40)]);
        });
    """)
    assert seconds == 660
    assert first == second == pytest.approx([0, 1])
    assert quiet == [0, 0]


def test_of_many_segments_a_page_is_in_the_table(page, server):
    page.open(server)
    n_rows, told = page.later("""
        import("/answers.js").then(({Table}) => {
          const table = new Table((id) => document.getElementById(id), () => {});
          const quiet = {emotion: null, confidence: 0, scores: {}, likely: [], dimensions: {}, flags: ["no_speech"]};
          table.show(Array.from({length: 5000}, (_, n) => ({...quiet, start: n, end: n + 1})));
          table.select(4321);
          done([document.querySelectorAll("#table tr").length, document.getElementById("shown").textContent]);
        });
    """)
    assert n_rows == 200
    assert told == "4201 to 4400 of 5,000"
    assert page.driver.find_element("css selector", "tr.now button").text.startswith("1:12:01.0")


# --- what is served ---


def test_the_page_holds_nothing_that_the_policy_would_stop(server):
    with server.client() as client:
        html = client.get("/").text
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", html)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)
        for name in re.findall(r"(?:src|href)=\"([\w-]+\.\w+)\"", html):
            assert client.get(f"/{name}").status_code == 200
