"""`Segment`: to JSON and back, in words, and in a notebook."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import audio, labels
from emotone.errors import ConfigError
from emotone.segment import FLAGS, PLAYER_SECONDS, Segment, explain

ANGRY = Segment(0.0, 3.6, "angry", 0.81, {"neutral": 0.09, "sad": 0.1, "angry": 0.81})
UNSURE = Segment(1.5, 4.0, None, 0.4, {"neutral": 0.3, "sad": 0.3, "angry": 0.4}, ("uncertain", "clipped"))
SILENT = Segment(0.0, 2.0, None, 0.0, {}, ("no_speech",))
SETS = Segment(0.0, 3.6, "angry", 0.81, {"neutral": 0.09, "sad": 0.1, "angry": 0.81}, likely=("sad", "angry"))
PLACED = Segment(0.0, 3.6, None, 0.0, {}, ("clipped",), dimensions={"arousal": 5.204, "valence": -0.5})


class Page(HTMLParser):
    """The tags, attributes and words of some HTML; fails on tags that don't nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


# --- data ---


@pytest.mark.parametrize("segment", [ANGRY, UNSURE, SILENT, SETS, PLACED])
def test_json_and_back_is_the_same(segment):
    assert Segment.from_dict(json.loads(json.dumps(segment.as_dict(), allow_nan=False))) == segment


def test_the_keys_are_the_field_names():
    keys = ["start", "end", "emotion", "confidence", "scores", "likely", "dimensions", "flags"]
    assert list(ANGRY.as_dict()) == keys
    assert SETS.as_dict()["likely"] == ["sad", "angry"]
    assert ANGRY.as_dict()["likely"] == []
    assert PLACED.as_dict()["dimensions"] == {"arousal": 5.204, "valence": -0.5}
    assert UNSURE.as_dict()["emotion"] is None
    assert UNSURE.as_dict()["flags"] == ["uncertain", "clipped"]


def test_what_as_dict_gives_is_new():
    ANGRY.as_dict()["scores"]["angry"] = 0.0
    assert ANGRY.scores["angry"] == 0.81


def test_scores_come_back_in_canonical_order():
    shuffled = ANGRY.as_dict() | {"scores": {"bored": 0.1, "angry": 0.8, "neutral": 0.1}}
    assert list(Segment.from_dict(shuffled).scores) == ["neutral", "angry", "bored"]
    shuffled["likely"] = ["bored", "angry"]
    assert Segment.from_dict(shuffled).likely == ("angry", "bored")


def test_a_line_of_the_command_line_knows_its_file():
    segment = Segment.from_dict({"file": "a/b.wav", **ANGRY.as_dict()})
    assert segment.source == Path("a/b.wav")
    assert segment == ANGRY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emotoin": "angry"}, "emotoin"),
        ({"confidence": None}, "isn't a segment"),
        ({"confidence": float("nan")}, "finite"),
        ({"end": -1.0}, "its end not before its start"),
        ({"scores": {"angry": "much"}}, "much"),
        ({"scores": 3}, "isn't a segment"),
        ({"dimensions": 3}, "isn't a segment"),
        ({"dimensions": {"arousal": "high"}}, "high"),
        ({"dimensions": {"arousal": float("inf")}}, "finite"),
        ({"flags": 3}, "isn't a segment"),
        ({"likely": 3}, "isn't a segment"),
        ({"likely": ["bored"]}, "likely names bored, without a score"),
    ],
)
def test_what_is_no_segment_is_said(change, message):
    with pytest.raises(ConfigError, match=message):
        Segment.from_dict(ANGRY.as_dict() | change)


def test_a_missing_key_is_named():
    short = ANGRY.as_dict()
    del short["scores"]
    with pytest.raises(ConfigError, match="scores is missing or too many"):
        Segment.from_dict(short)


def test_what_was_written_before_there_were_dimensions_and_sets_is_still_read():
    old = ANGRY.as_dict()
    del old["dimensions"], old["likely"]
    assert Segment.from_dict(old) == ANGRY


def test_it_is_a_value():
    assert replace(ANGRY, source=Path("x.wav")) == ANGRY
    assert len({ANGRY, replace(ANGRY), UNSURE}) == 2
    assert replace(PLACED, dimensions={"arousal": 1.0}) != PLACED
    assert ANGRY.duration == 3.6
    assert "source" not in repr(ANGRY)
    with pytest.raises(FrozenInstanceError):
        ANGRY.emotion = "sad"  # type: ignore[misc]


# --- words ---


def test_in_words():
    assert str(ANGRY) == "0.00–3.60 s  angry 81 %"
    assert str(UNSURE) == "1.50–4.00 s  can't tell  [uncertain, clipped]"
    assert str(SILENT) == "0.00–2.00 s  no speech  [no_speech]"
    assert str(PLACED) == "0.00–3.60 s  arousal 5.20, valence -0.50  [clipped]"
    assert str(replace(ANGRY, dimensions={"arousal": 5.2})) == "0.00–3.60 s  angry 81 %"


def test_every_flag_is_explained_in_a_sentence():
    assert set(FLAGS) == {"too_short", "no_speech", "uncertain", "long", "low_level", "clipped"}
    assert all(text[0].isupper() and text.endswith(".") for text in FLAGS.values())
    assert explain("of_a_later_day") == "of a later day"


# --- notebooks ---


def test_a_notebook_shows_the_numbers_of_dimensions():
    page = Page(PLACED._repr_html_())
    assert "arousal 5.20, valence -0.50" in page.text
    assert "clipped" in page.text
    assert "%" not in page.text
    escaped = Page(replace(PLACED, dimensions={"<b>": 1.0})._repr_html_())
    assert "<b> 1.00" in escaped.text
    assert escaped.tags.count("b") == page.tags.count("b")


def test_a_notebook_shows_a_coloured_bar_for_every_emotion():
    page = Page(ANGRY._repr_html_())
    styles = [value or "" for name, value in page.attributes if name == "style"]
    for name, width in (("neutral", "9.0%"), ("sad", "10.0%"), ("angry", "81.0%")):
        assert name in page.text
        assert any(f"width:{width}" in style and labels.colour(name) in style for style in styles)
    assert "angry 81 %" in page.text
    assert "audio" not in page.tags


def test_a_notebook_names_what_cannot_be_ruled_out():
    assert "can't be ruled out: sad, angry" in Page(SETS._repr_html_()).text
    assert "ruled out" not in Page(ANGRY._repr_html_()).text
    odd = Page(Segment(0, 1, "<i>", 1.0, {"<i>": 1.0}, likely=("<i>",))._repr_html_())
    assert "i" not in odd.tags


def test_a_notebook_explains_why_there_is_no_answer():
    page = Page(UNSURE._repr_html_())
    assert "can't tell" in page.text
    assert FLAGS["uncertain"] in page.text
    assert FLAGS["clipped"] in page.text
    assert "table" not in Page(SILENT._repr_html_()).tags


def test_names_cannot_become_html(tmp_path):
    odd = Segment(0, 1, "<i>", 1.0, {"<i>": 1.0}, ("<script>",), tmp_path / "<b>&.wav")
    page = Page(odd._repr_html_())
    assert not {"i", "b>&.wav", "script"} & set(page.tags)
    assert "<b>&.wav" in page.text
    assert page.text.count("<i>") == 2


def played(segment: Segment) -> tuple[np.ndarray, int]:
    [address] = [value for name, value in Page(segment._repr_html_()).attributes if name == "src"]
    return soundfile.read(io.BytesIO(base64.b64decode(address.removeprefix("data:audio/wav;base64,"))))


def test_the_player_has_the_sound_of_the_segment_alone(tmp_path, rng):
    path = tmp_path / "a.wav"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 64_000), 16_000)
    samples, rate = played(replace(UNSURE, source=path))
    assert rate == 16_000
    np.testing.assert_allclose(samples, audio.load(path)[24_000:64_000], atol=1e-4)


def test_the_player_of_a_long_segment_has_its_beginning_and_says_so(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.full(int(16_000 * (PLAYER_SECONDS + 5)), 0.1), 16_000)
    long = replace(ANGRY, end=PLAYER_SECONDS + 5, source=path)
    assert len(played(long)[0]) == PLAYER_SECONDS * 16_000
    assert "first 60 s" in Page(long._repr_html_()).text


def test_without_its_file_a_segment_still_shows(tmp_path):
    page = Page(replace(ANGRY, source=tmp_path / "gone.wav")._repr_html_())
    assert "gone.wav" in page.text
    assert "audio" not in page.tags


def test_showing_needs_no_matplotlib_and_no_audio_library():
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'pandas', 'soundfile', 'onnxruntime', 'numpy'): sys.modules[name] = None\n"
        "from emotone.segment import Segment\n"
        "print(Segment(0.0, 1.0, 'sad', 1.0, {'sad': 1.0})._repr_html_())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sad 100 %" in done.stdout
