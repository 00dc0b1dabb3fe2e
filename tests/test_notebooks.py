"""The notebooks: readable as they are kept, and run from the first cell to the last, on generated speech anywhere and
on a part of RAVDESS where it is."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import emotone
from emotone import audio

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = {path.stem[:2]: path for path in sorted(FOLDER.glob("*.ipynb"))}
SOURCE = Path(emotone.__file__).resolve().parents[1]
KERNEL = "under-test"
PLAYERS = {"04": {"listen"}, "06": {"players"}}
"""Cells that keep their players, for their sound is synthesised."""
MOST_BYTES = 1_200_000
LOCAL = re.compile(r"(?<![\w./:])/(work|tmp|home|opt|root|usr|Users|private|var)/")

# What the last cells know, as JSON on stdout.
PROBES = {
    "01": """{
        "generated": GENERATED,
        "recordings": len(recordings),
        "summary": summary.to_dict("records"),
        "corrected": corrected.line(),
        "better": result.line(),
        "folder": str(folder),
        "emotion": answer.emotion,
        "scores": dict(answer.scores),
    }""",
    "02": """{"generated": GENERATED, "honest": HONEST, "numbers": keys}""",
    "03": """{
        "same": same,
        "segments": [one.as_dict() for one in before],
        "files": sorted(path.name for path in work.iterdir()),
    }""",
    "04": """{
        "tested": tested,
        "line": result.line(),
        "folder": str(folder),
        "rows": len(table),
        "pairs": len(from_table),
    }""",
    "05": """{"torch": TORCH, "trained": TRAINED, "curve": curve}""",
    "06": """{
        "line": result.line(),
        "by_speaker": by_speaker,
        "by_clip": by_clip,
        "course": course,
        "stress": found.as_dict(),
    }""",
}


@dataclass(frozen=True)
class Executed:
    cells: list[Any]
    known: dict[str, Any]
    """What the probe printed."""

    @property
    def scores(self) -> dict[str, float]:
        """Voices and way to score, for the tutorial's four emotions."""
        rows = [row for row in self.known["summary"] if row["emotions"] == "four"]
        return {f"{row['voices']}: {row['how']}": row["score"] for row in rows}

    def outputs(self, kind: str) -> list[str]:
        found = [output.get("data", {}).get(kind) for cell in self.cells for output in cell.get("outputs", [])]
        return [text for text in found if text]

    def printed(self) -> str:
        outputs = [output for cell in self.cells for output in cell.get("outputs", [])]
        return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and a kernel that is this very Python, whatever kernels the machine has."""
    spec = tmp_path / "jupyter" / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": arguments, "display_name": KERNEL, "language": "python"}), "utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # no more processes than the test asked for
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("EMOTONE_SPLITS", "3")
    monkeypatch.setenv("EMOTONE_ACTORS", "6")
    monkeypatch.setenv("EMOTONE_ENCODER", str(tmp_path / "no-encoder"))
    monkeypatch.setenv("EMOTONE_RAVDESS", str(tmp_path / "nowhere"))
    work = tmp_path / "work"
    work.mkdir()
    return work


def execute(number: str, work: Path) -> Executed:
    document = nbformat.read(NOTEBOOKS[number], as_version=4)
    probe = f"import json\nprint(json.dumps({PROBES[number]}, default=float))"
    document.cells.append(nbformat.v4.new_code_cell(probe))
    client = nbclient.NotebookClient(
        document, timeout=280, kernel_name=KERNEL, resources={"metadata": {"path": str(work)}}
    )
    client.execute()  # a cell that fails raises
    *cells, last = document.cells
    return Executed(cells, json.loads(last.outputs[0]["text"]))


def few_actors(work: Path, data: Path, actors: tuple[int, ...]) -> Path:
    """A folder with some actors of RAVDESS."""
    few = work / "ravdess"
    for actor in actors:
        (few / f"Actor_{actor:02d}").mkdir(parents=True)
        for clip in (data / "ravdess" / f"Actor_{actor:02d}").iterdir():
            (few / clip.parent.name / clip.name).symlink_to(clip)
    return few


# ---- as they are kept ----


def test_there_are_six_notebooks_and_each_is_executed_here():
    assert set(NOTEBOOKS) == set(PROBES) == {"01", "02", "03", "04", "05", "06"}


@pytest.mark.parametrize("number", PROBES)
def test_a_notebook_can_be_read_without_running_it(number):
    document = nbformat.read(NOTEBOOKS[number], as_version=4)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    assert len({cell.id for cell in document.cells}) == len(document.cells)
    assert NOTEBOOKS[number].stat().st_size < MOST_BYTES
    shown = [output for cell in code for output in cell.outputs]
    assert not [output for output in shown if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert "GENERATED" not in "".join(output.get("text", "") for output in shown)
    assert "UNTRAINED" not in "".join(output.get("text", "") for output in shown)


@pytest.mark.parametrize("number", PROBES)
def test_what_is_kept_of_a_notebook_holds_no_voices_and_no_paths(number):
    document = nbformat.read(NOTEBOOKS[number], as_version=4)
    for cell in document.cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            for text in (output.get("text", ""), *(content for content in shown.values() if isinstance(content, str))):
                if cell.id not in PLAYERS.get(number, set()):
                    assert "data:audio" not in text, cell.id
                if not re.fullmatch(r"[A-Za-z0-9+/=\n]+", text):  # a picture
                    assert not LOCAL.search(text), f"{cell.id}: {LOCAL.search(text)}"
            assert not any("audio" in kind for kind in shown)


# ---- run on generated speech ----


@pytest.mark.timeout(900)
def test_the_tutorial_on_generated_speech(kernel):
    done = execute("01", kernel)
    assert done.known["generated"]
    assert done.known["recordings"] == 240
    assert "GENERATED" in done.printed()
    assert done.printed().count("nothing about people") == 2  # at the start and beside the last numbers
    check_the_tutorial(done, kernel, n_actors=8)


@pytest.mark.timeout(900)
def test_seven_ways_on_generated_speech(kernel):
    done = execute("02", kernel)
    assert done.known["generated"]
    assert "GENERATED" in done.printed()
    check_seven_ways(done)


@pytest.mark.timeout(300)
def test_over_time_on_generated_speech(kernel):
    check_over_time(execute("03", kernel))


@pytest.mark.timeout(300)
def test_your_own_corpus(kernel):
    done = execute("04", kernel)
    assert done.known["tested"].startswith("3 passed")
    assert done.known["line"].endswith("mine all · loso, 6 folds, speakers unseen")
    assert done.known["rows"] == done.known["pairs"] == 96
    assert Path(done.known["folder"], "card.md").exists()


@pytest.mark.timeout(300)
def test_encoders_with_a_stand_in(kernel):
    if not all(map(installed, ("torch", "transformers"))):
        pytest.skip("torch isn't here: pip install 'emotone[deep]'")
    done = execute("05", kernel)
    assert done.known["torch"]
    assert not done.known["trained"]
    assert "UNTRAINED" in done.printed()
    assert sorted(map(int, done.known["curve"])) == [0, 1, 2, 3, 4]


@pytest.mark.timeout(300)
def test_encoders_without_torch_say_so_and_end_politely(kernel, tmp_path, monkeypatch):
    """A `sitecustomize` hides torch from the kernel, as if it weren't installed."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name.startswith('torch') else found(name, *more)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{hidden}:{SOURCE}")
    done = execute("05", kernel)
    assert not done.known["torch"]
    assert done.known["curve"] == {}
    assert "pip install 'emotone[deep]'" in done.printed()


@pytest.mark.timeout(600)
def test_scores_and_stress_on_generated_speech(kernel):
    check_scores_and_stress(execute("06", kernel))


# ---- run on recordings ----


@pytest.mark.corpus
@pytest.mark.timeout(900)
def test_the_tutorial_on_real_recordings(kernel, data, monkeypatch):
    """Six actors, one of each of the official folds."""
    monkeypatch.setenv("EMOTONE_RAVDESS", str(few_actors(kernel, data, (1, 2, 3, 4, 6, 8))))
    done = execute("01", kernel)
    assert not done.known["generated"]
    assert done.known["recordings"] == 360
    assert "GENERATED" not in done.printed()
    check_the_tutorial(done, kernel, n_actors=6)
    for way in ("", "... with a scaler"):
        known = done.scores[f"known: {way or 'mean of 3 random splits'}"]
        new = done.scores[f"new: {way or 'one speaker left out'}"]
        assert 0.25 < new < known - 0.05


@pytest.mark.corpus
@pytest.mark.timeout(900)
def test_seven_ways_on_real_recordings(kernel, data, monkeypatch):
    monkeypatch.setenv("EMOTONE_RAVDESS", str(few_actors(kernel, data, (1, 2, 3, 4, 5, 6))))
    done = execute("02", kernel)
    assert not done.known["generated"]
    check_seven_ways(done)
    numbers = done.known["numbers"]
    assert numbers["1000000"] > numbers["0000000"] + 0.1  # known voices
    assert numbers["1100000"] > numbers["1000000"] + 0.1  # copies, once voices are shared


@pytest.mark.corpus
@pytest.mark.timeout(300)
def test_over_time_on_real_recordings(kernel, data, monkeypatch):
    monkeypatch.setenv("EMOTONE_RAVDESS", str(few_actors(kernel, data, (1,))))
    done = execute("03", kernel)
    check_over_time(done)
    said = {segment["emotion"] for segment in done.known["segments"]}
    assert {"angry", "neutral"} <= said


# ---- what every run shows ----


def check_the_tutorial(done: Executed, work: Path, *, n_actors: int) -> None:
    assert len(done.known["summary"]) == 6
    assert all(0.1 < row["score"] <= 1 for row in done.known["summary"])
    assert done.known["corrected"].endswith(f"ravdess seed · loso, {n_actors} folds, speakers unseen")
    official = f"ravdess eight · official, 6 folds, {n_actors} of 24 speakers, speakers unseen"
    assert done.known["better"].endswith(official)
    folder = Path(done.known["folder"])
    assert folder.parent == work
    assert {"model.onnx", "config.json", "card.md"} <= {path.name for path in folder.iterdir()}
    assert emotone.load(folder).labels == emotone.EMOTIONS
    assert done.known["better"] in (folder / "card.md").read_text("utf-8")
    assert set(done.known["scores"]) == set(emotone.EMOTIONS)
    pages = done.outputs("text/html")
    assert sum("<audio" in page for page in pages) >= 5  # four clips to guess, and the answer
    assert any("confusion matrix" in page for page in pages)
    assert any("my first recogniser" in page for page in pages)
    assert len(done.outputs("image/png")) >= 6


def check_seven_ways(done: Executed) -> None:
    numbers = done.known["numbers"]
    assert len(numbers) == 2**7
    assert numbers["0000000"] == pytest.approx(done.known["honest"], abs=1e-4)
    assert numbers["1111111"] > numbers["0000000"] + 0.05
    for switches, number in numbers.items():  # whoever chooses or picks a fold never loses by it
        assert number >= numbers[f"{switches[:4]}{0}{switches[5]}{0}"] - 1e-4
    assert any('"0000000":' in page for page in done.outputs("text/html"))
    assert "by 6 copies" in done.printed()


def check_over_time(done: Executed) -> None:
    segments = done.known["segments"]
    assert done.known["same"]
    assert segments[0]["start"] == 0
    assert all(one["end"] == pytest.approx(two["start"]) for one, two in pairwise(segments))
    assert {"timeline.TextGrid", "timeline.vtt", "timeline.csv", "timeline.json"} <= set(done.known["files"])
    assert any('<input type="range"' in page for page in done.outputs("text/html"))
    assert any("getUserMedia" in page for page in done.outputs("text/html"))


def check_scores_and_stress(done: Executed) -> None:
    assert "speakers unseen" in done.known["line"]
    wide, narrow = (high - low for low, high in (done.known["by_speaker"], done.known["by_clip"]))
    assert wide > 0
    assert narrow > 0
    kept = [one["kept"] for one in done.known["course"]]
    assert kept[0] == 1
    assert kept == sorted(kept, reverse=True)
    assert len(done.known["stress"]["conditions"]) == 8


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


# ---- in a browser ----

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium with a microphone that beeps, which it may use without asking."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no browser: install chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio")
    for argument in (*quiet, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def page_of(number: str, cell: str, folder: Path) -> str:
    """The address of what a cell shows, as it is kept, on a page of its own."""
    document = nbformat.read(NOTEBOOKS[number], as_version=4)
    [found] = [one for one in document.cells if one.id == cell]
    [html] = [output["data"]["text/html"] for output in found.outputs if "text/html" in output.get("data", {})]
    page = folder / f"{number}-{cell}.html"
    page.write_text(f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">{html}', "utf-8")
    return page.as_uri()


def test_the_seven_switches_move_the_number(browser, tmp_path):
    browser.get(page_of("02", "toggles", tmp_path))
    number, boxes = browser.find_element("css selector", ".n"), browser.find_elements("css selector", "input")
    assert len(boxes) == 7
    honest = number.text
    for box in boxes:
        box.click()
    assert float(number.text.removeprefix("UAR ")) > float(honest.removeprefix("UAR ")) + 0.3
    assert "known voices, copies" in browser.find_element("css selector", ".w").text
    for box in boxes:
        box.click()
    assert number.text == honest
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("number", "cell", "told"), [("03", "slider", "answered"), ("06", "selective", "answered")])
def test_sliders_slide(browser, tmp_path, number, cell, told):
    browser.get(page_of(number, cell, tmp_path))
    before = browser.find_element("css selector", "body").text
    assert told in before
    slide = "const one = document.querySelector('input'); one.value = 60; one.dispatchEvent(new Event('input'))"
    browser.execute_script(slide)
    after = browser.find_element("css selector", "body").text
    assert "60 %" in after
    assert after != before
    assert browser.get_log("browser") == []


def test_the_microphone_records(browser, tmp_path):
    """From a file, which isn't Jupyter, so that the recording is offered as a download."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.get(page_of("03", "microphone", tmp_path))
    browser.find_element("css selector", "button").click()
    status = browser.find_element("css selector", "[role=status]")
    deadline = time.monotonic() + 60
    while "downloaded" not in status.text and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "put it beside this notebook" in status.text
    recording = tmp_path / "my-voice.webm"
    while not recording.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(audio.load(recording)) > 3 * 16_000
