"""`emotone.formats`: every format opened by its own reader, odd names and times, and what can't be written or read."""

from __future__ import annotations

import csv
import io
import itertools
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emotone import formats
from emotone.errors import ConfigError
from emotone.formats import names
from emotone.segment import Segment

RATE = 16_000
SCORES = {"neutral": 0.1, "sad": 0.09, "angry": 0.81}
QUIET = Segment(0.0, 8_192 / RATE, None, 0.0, {}, ("no_speech",))
ANGRY = Segment(8_192 / RATE, 65_537 / RATE, "angry", 0.81, SCORES, ("clipped",), likely=("angry",))
UNSURE = Segment(65_537 / RATE, 99_999 / RATE, None, 0.4, {"neutral": 0.3, "sad": 0.3, "angry": 0.4}, ("uncertain",))
SAD = Segment(99_999 / RATE, 160_001 / RATE, "sad", 1.0, {"neutral": 0.0, "sad": 1.0, "angry": 0.0}, likely=("sad",))
TIMELINE = [QUIET, ANGRY, UNSURE, SAD]
STEREO = [replace(segment, channel=channel) for channel in (0, 1) for segment in TIMELINE]
PLACED = [
    Segment(0.0, 2.0, None, 0.0, {}, ("no_speech",)),
    Segment(2.0, 4.5, None, 0.0, {}, dimensions={"arousal": 5.204, "valence": -1e-7}),
]
ODD = 'anger\n"über" <b>&amp; \t--> 怒り, \u2028x'

NAMED_ODDLY = [replace(ANGRY, emotion=ODD, scores={ODD: 0.81}, likely=())]

READABLE = [name for name in names() if formats.FORMATS[name].read]
TEXT = [name for name in names() if formats.FORMATS[name].is_text]


def file_of(folder: Path, name: str) -> Path:
    return folder / f"timeline{formats.FORMATS[name].suffixes[0]}"


# --- the formats we read ourselves ---


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize(
    "segments",
    [
        TIMELINE,
        STEREO,
        PLACED,
        [],
        [replace(ANGRY, speaker="Zoë, 2"), QUIET],
        [replace(ANGRY, emotion=ODD, scores={ODD: 0.81}, likely=())],
    ],
)
def test_what_is_written_is_read_back_equal(name, segments, tmp_path):
    path = formats.write(segments, file_of(tmp_path, name))
    assert formats.read(path) == segments
    longer = [replace(segment, end=segment.end + 1e-9) for segment in segments]
    assert (formats.read(path) == longer) == (segments == [])


@pytest.mark.parametrize("name", READABLE)
def test_the_source_comes_back(name, tmp_path):
    path = formats.write(TIMELINE, file_of(tmp_path, name), source='Gespräch "1",\n2.wav')
    assert {segment.source for segment in formats.read(path)} == {Path('Gespräch "1",\n2.wav')}
    own = [replace(segment, source=Path("b.wav")) for segment in TIMELINE]
    assert formats.read(formats.write(own, path))[0].source == Path("b.wav")


@pytest.mark.parametrize("name", [name for name in READABLE if formats.FORMATS[name].several])
def test_several_recordings_go_into_one_table(name, tmp_path):
    segments = [replace(ANGRY, source=Path("a.wav")), replace(SAD, source=Path("b.wav")), QUIET]
    found = formats.read(formats.write(segments, file_of(tmp_path, name)))
    assert [segment.source for segment in found] == [Path("a.wav"), Path("b.wav"), None]


@pytest.mark.parametrize("name", [name for name in names() if not formats.FORMATS[name].several])
def test_several_recordings_do_not_go_into_other_formats(name, tmp_path):
    segments = [replace(ANGRY, source=Path("a.wav")), replace(SAD, source=Path("b.wav"))]
    with pytest.raises(ConfigError, match="holds one recording, and there are segments of 2"):
        formats.write(segments, file_of(tmp_path, name))
    assert list(tmp_path.iterdir()) == []


def test_a_json_document_says_file_duration_and_segments():
    text = formats.dumps(STEREO, "json", source="call.wav", duration=12.5)
    document = json.loads(text)
    assert list(document) == ["file", "duration", "segments"]
    assert (document["file"], document["duration"]) == ("call.wav", 12.5)
    assert document["segments"] == [segment.as_dict() for segment in STEREO]
    assert len(text.splitlines()) == len(STEREO) + 2
    assert json.loads(formats.dumps(TIMELINE, "json"))["duration"] == SAD.end
    assert json.loads(formats.dumps([], "json")) == {"file": None, "duration": 0.0, "segments": []}


def test_json_lines_are_those_of_the_command_line():
    [line] = formats.dumps([ANGRY], "jsonl", source="call.wav").splitlines()
    assert json.loads(line) == {"file": "call.wav", **ANGRY.as_dict()}
    assert formats.json_line("call.wav", ANGRY) == f"{line}\n"


def test_csv_has_the_columns_of_predict_and_a_channel():
    rows = list(csv.DictReader(io.StringIO(formats.dumps(STEREO, "csv", source="a,b.wav"))))
    facts = ["file", "channel", "speaker", "start", "end", "emotion", "confidence", "flags", "likely"]
    assert list(rows[0]) == [*facts, "p_neutral", "p_sad", "p_angry"]
    assert rows[5]["file"] == "a,b.wav"
    assert [rows[5][name] for name in ("channel", "emotion", "flags", "p_angry")] == ["1", "angry", "clipped", "0.81"]
    assert float(rows[5]["end"]) == ANGRY.end
    assert rows[4]["p_angry"] == rows[4]["emotion"] == ""


def test_rows_one_by_one_are_the_table():
    rows = formats.csv_rows(["neutral", "sad", "angry"])
    assert "".join(rows("x.wav", segment) for segment in TIMELINE) == formats.dumps(TIMELINE, "csv", source="x.wav")
    without = formats.csv_rows(["angry"], ["arousal"], channel=False)
    header = without("x.wav", QUIET).splitlines()[0]
    assert header == "file,start,end,emotion,confidence,flags,likely,p_angry,arousal"


@pytest.mark.parametrize("channel", [True, False])
def test_what_the_command_line_prints_is_read(channel, tmp_path):
    path = tmp_path / "printed.csv"
    rows = formats.csv_rows(["neutral", "sad", "angry"], channel=channel)
    path.write_text("".join(rows("x.wav", segment) for segment in TIMELINE), encoding="utf-8-sig")
    assert formats.read(path) == TIMELINE


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_labels_and_dimensions_have_columns_without_a_value_too(name, tmp_path):
    path = formats.write([QUIET], file_of(tmp_path, name), labels=("angry", "neutral"), dimensions=("arousal",))
    if name == "csv":
        columns = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    else:
        columns = pytest.importorskip("pyarrow.parquet").read_table(path).column_names
    assert columns[-3:] == ["p_neutral", "p_angry", "arousal"]
    assert formats.read(path) == [QUIET]


def test_parquet_has_the_same_types_whatever_it_holds(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    given = {"labels": ("neutral", "sad", "angry")}
    tables = [
        parquet.read_table(formats.write(segments, tmp_path / f"{number}.parquet", **given))
        for number, segments in enumerate([[], [QUIET], TIMELINE, STEREO])
    ]
    assert len({str(table.schema.remove_metadata()) for table in tables}) == 1
    types = {field.name: str(field.type) for field in tables[0].schema}
    assert types["channel"] == "int32"
    assert types["flags"] == types["likely"] == "list<element: string>"
    assert types["start"] == types["p_angry"] == "double"
    assert tables[3].to_pylist()[1]["flags"] == ["clipped"]
    assert tables[3].column("channel").to_pylist() == [0] * 4 + [1] * 4


def test_parquet_keeps_a_dimension_that_is_called_like_a_vote(tmp_path):
    pytest.importorskip("pyarrow")
    voted = [Segment(0.0, 1.0, None, 0.0, {}, dimensions={"p_angry": 0.3})]
    assert formats.read(formats.write(voted, tmp_path / "x.parquet")) == voted


# --- Praat ---


def praat(path: Path):
    """``{tier: [(start, end, text), ...]}``, as Praat itself reads it."""
    parselmouth = pytest.importorskip("parselmouth")
    ask = parselmouth.praat.call
    grid = parselmouth.read(str(path))
    assert grid.class_name == "TextGrid"
    return {
        ask(grid, "Get tier name", tier): [
            (
                ask(grid, "Get start time of interval", tier, n),
                ask(grid, "Get end time of interval", tier, n),
                ask(grid, "Get label of interval", tier, n),
            )
            for n in range(1, ask(grid, "Get number of intervals", tier) + 1)
        ]
        for tier in range(1, ask(grid, "Get number of tiers") + 1)
    }


def test_praat_reads_the_timeline_exact_to_the_bit(tmp_path):
    tiers = praat(formats.write(TIMELINE, tmp_path / "x.TextGrid"))
    times = [(segment.start, segment.end) for segment in TIMELINE]
    assert [interval[:2] for interval in tiers["emotion"]] == times
    assert [interval[2] for interval in tiers["emotion"]] == ["", "angry", "", "sad"]
    assert [interval[2] for interval in tiers["confidence"]] == ["", "0.81", "0.40", "1.00"]


def test_praat_reads_every_channel_in_tiers_of_its_own(tmp_path):
    late = [replace(segment, channel=1) for segment in TIMELINE[:2]]
    tiers = praat(formats.write([*late, *(replace(s, channel=0) for s in TIMELINE)], tmp_path / "x.textgrid"))
    names = ["channel 0 emotion", "channel 0 confidence", "channel 1 emotion", "channel 1 confidence"]
    assert list(tiers) == names
    assert tiers["channel 1 emotion"][-1] == (ANGRY.end, SAD.end, "")
    assert {(tier[0][0], tier[-1][1]) for tier in tiers.values()} == {(0.0, SAD.end)}


def test_praat_reads_dimensions(tmp_path):
    tiers = praat(formats.write(PLACED, tmp_path / "x.TextGrid"))
    assert tiers == {
        "arousal": [(0.0, 2.0, ""), (2.0, 4.5, "5.204")],
        "valence": [(0.0, 2.0, ""), (2.0, 4.5, "-0.000")],
    }


def test_tiers_have_no_gaps_and_last_as_long_as_the_recording(tmp_path):
    tiers = praat(formats.write([ANGRY, replace(SAD, start=SAD.start + 1e-9)], tmp_path / "x.TextGrid", duration=20))
    ends = [0.0, ANGRY.start, ANGRY.end, SAD.start + 1e-9, SAD.end, 20.0]
    assert [interval[:2] for interval in tiers["emotion"]] == list(itertools.pairwise(ends))
    touching = [ANGRY, replace(UNSURE, start=UNSURE.start + 1e-9)]
    assert len(praat(formats.write(touching, tmp_path / "y.TextGrid"))["emotion"]) == 3
    points = [ANGRY, replace(UNSURE, end=UNSURE.start), SAD]
    assert len(praat(formats.write(points, tmp_path / "z.TextGrid"))["emotion"]) == 4


def test_praat_and_praatio_read_odd_names_and_nothing_at_all(tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid")
    odd = replace(ANGRY, emotion=ODD, start=0.0)
    path = formats.write([odd], tmp_path / "x.TextGrid")
    expected = 'anger "über" <b>&amp; --> 怒り, x'
    assert praat(path)["emotion"] == [(0.0, ANGRY.end, expected)]
    [entry] = textgrid.openTextgrid(str(path), includeEmptyIntervals=True).getTier("emotion").entries
    assert (entry.start, entry.end, entry.label) == (0.0, ANGRY.end, expected)
    assert praat(formats.write([], path))["emotion"] == [(0.0, 0.0, "")]
    assert praat(formats.write([], path, duration=3.5))["emotion"] == [(0.0, 3.5, "")]


def test_segments_that_overlap_are_no_textgrid(tmp_path):
    with pytest.raises(ConfigError, match=r"overlap, as the one from 1\.0 to"):
        formats.write([ANGRY, replace(SAD, start=1.0)], tmp_path / "x.TextGrid")
    assert list(tmp_path.iterdir()) == []


# --- Audacity ---


def labels_of(text: str) -> list[tuple[float, float, str]]:
    """As Audacity's manual has it: a label a line, start, end and text between tabs; text may be missing."""
    rows = [line.split("\t") for line in text.split("\n") if line]
    assert all(len(row) == 3 for row in rows)
    return [(float(start), float(end), label) for start, end, label in rows]


def test_audacity_labels():
    assert labels_of(formats.dumps(TIMELINE, "audacity")) == [
        (ANGRY.start, ANGRY.end, "angry 81 %"),
        (SAD.start, SAD.end, "sad 100 %"),
    ]
    stereo = labels_of(formats.dumps(STEREO, "audacity"))
    assert [label for *_, label in stereo][:2] == ["channel 0: angry 81 %", "channel 1: angry 81 %"]
    assert stereo == sorted(stereo)
    assert labels_of(formats.dumps([replace(ANGRY, emotion=ODD)], "audacity"))[0][2].startswith('anger "über" <b>')
    assert labels_of(formats.dumps(PLACED, "audacity"))[0][2] == "arousal 5.20, valence -0.00"
    assert formats.dumps([], "audacity") == ""


# --- WebVTT ---


def captions(folder: Path, segments: list[Segment], **options: object):
    webvtt = pytest.importorskip("webvtt")
    return list(webvtt.read(str(formats.write(segments, folder / "x.vtt", **options))))


def test_webvtt_is_read_by_its_reader(tmp_path):
    first, second = captions(tmp_path, TIMELINE, source="a --> <b>\n\nc.wav")
    assert (first.start, first.end, first.text) == ("00:00:00.512", "00:00:04.096", "angry 81 %")
    assert second.start_in_seconds == 6
    assert second.text == "sad 100 %"
    assert captions(tmp_path, []) == []


def test_webvtt_says_who_is_speaking_in_the_order_of_time(tmp_path):
    found = captions(tmp_path, STEREO)
    assert [caption.voice for caption in found] == ["channel 0", "channel 1"] * 2
    assert [caption.text for caption in found][:2] == ["angry 81 %"] * 2


def test_webvtt_escapes_what_has_a_meaning(tmp_path):
    [caption] = captions(tmp_path, [replace(ANGRY, emotion=ODD)])
    assert caption.raw_text == 'anger "über" &lt;b&gt;&amp;amp; --&gt; 怒り, x 81 %'
    text = (tmp_path / "x.vtt").read_text(encoding="utf-8")
    assert text.count("-->") == 1


def test_webvtt_after_hours_and_of_an_instant(tmp_path):
    late = 123 * 3600 + 59 * 60 + 59
    first, second = captions(
        tmp_path, [replace(ANGRY, start=late + 0.9996, end=late + 3.25), replace(SAD, end=SAD.start)]
    )
    assert (second.start, second.end) == ("124:00:00.000", "124:00:02.250")
    assert first.end_in_seconds >= first.start_in_seconds
    assert first.end == "00:00:06.251"


# --- RTTM ---


def rttm_of(text: str) -> list[tuple[str, int, float, float, str, str]]:
    """By NIST's rule (RT-09 evaluation plan, appendix A), which pyannote and dscore follow: ten fields between white
    space, ``<NA>`` where there is nothing; in lines ``SPEAKER`` the second is the file, the third the channel from 1
    on, then start and duration, the eighth the name and the ninth the confidence."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        assert len(fields) == 10
        assert fields[0] == "SPEAKER"
        assert fields[5] == fields[6] == fields[9] == "<NA>"
        found.append((fields[1], int(fields[2]), float(fields[3]), float(fields[4]), fields[7], fields[8]))
    return found


def test_rttm_has_emotions_for_speakers():
    first, second = rttm_of(formats.dumps(TIMELINE, "rttm", source="calls/a call\tof today.tar.wav"))
    assert first[:2] == ("a_call_of_today.tar", 1)
    assert first[2:] == (0.512, 3.5840625, "angry", "0.81")
    assert second[4:] == ("sad", "1")
    assert [row[1] for row in rttm_of(formats.dumps(STEREO, "rttm"))] == [1, 1, 2, 2]
    assert rttm_of(formats.dumps([replace(ANGRY, emotion=ODD)], "rttm"))[0][4] == 'anger_"über"_<b>&amp;_-->_怒り,_x'
    assert formats.dumps([], "rttm") == ""


def test_rttm_of_dimensions_is_refused():
    with pytest.raises(ConfigError, match="only arousal and valence"):
        formats.dumps(PLACED, "rttm")


def test_our_own_rttm_is_read_exact_to_the_bit(tmp_path, rng):
    ends = rng.integers(1, 40_000, 500).cumsum() / RATE + 36_000
    segments = [replace(SAD, start=float(a), end=float(b)) for a, b in itertools.pairwise(ends)]
    path = formats.write(segments, tmp_path / "x.rttm")
    assert formats.read_rttm(path) == [(segment.start, segment.end, "sad") for segment in segments]


RTTM = """\
;; a comment
SPKR-INFO call 1 <NA> <NA> <NA> unknown anna <NA> <NA>
SPEAKER call 1 10.5 2.25 <NA> <NA> bo <NA>

SPEAKER call 1 0.000 11 <NA> <NA> anna <NA> <NA>
"""


def test_turns_of_others_are_read_in_the_order_of_time(tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_text(RTTM, encoding="utf-8")
    assert formats.read_rttm(path) == [(0.0, 11.0, "anna"), (10.5, 12.75, "bo")]
    path.write_bytes(("\ufeff" + RTTM.replace("\n", "\r\n")).encode())
    assert formats.read_rttm(str(path), file="/there/call.wav") == [(0.0, 11.0, "anna"), (10.5, 12.75, "bo")]
    path.write_text("", encoding="utf-8")
    assert formats.read_rttm(path) == formats.read_rttm(path, file="call") == []


def test_turns_of_several_recordings_need_a_name(tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_text(RTTM + "SPEAKER my_call.2 1 1 1 <NA> <NA> cy <NA> <NA>\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"turns\.rttm tells of 2 recordings: call, my_call\.2"):
        formats.read_rttm(path)
    assert formats.read_rttm(path, file="my call.2.wav") == [(1.0, 2.0, "cy")]
    with pytest.raises(ConfigError, match=r"tells nothing of other, only of call, my_call\.2"):
        formats.read_rttm(path, file="other")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER call 1 10.5 2.25 <NA> <NA> bo", r"line 6 has 8 fields"),
        ("SPEAKER", r"line 6 has 1 fields"),
        (
            "SPEAKER call 1 x 2.25 <NA> <NA> bo <NA> <NA>",
            r"line 6: start and duration must be numbers, not x and 2",
        ),
        ("SPEAKER call 1 3 0 <NA> <NA> bo <NA> <NA>", r"line 6: a turn .* not 0 s from 3 s on"),
        ("SPEAKER call 1 -3 1 <NA> <NA> bo <NA> <NA>", r"line 6: a turn .* not 1 s from -3 s on"),
        ("SPEAKER call 1 nan 1 <NA> <NA> bo <NA> <NA>", r"line 6: a turn"),
        ("SPEAKER call 1 sNaN 1 <NA> <NA> bo <NA> <NA>", r"line 6: start and duration"),
        ("SPEAKER call 1 1e400 1 <NA> <NA> bo <NA> <NA>", r"line 6: a turn"),
        ("SPEAKER call 1 1 inf <NA> <NA> bo <NA> <NA>", r"line 6: a turn"),
        ("WEBVTT", r"line 6 isn't RTTM: 'WEBVTT'"),
    ],
)
def test_a_line_that_is_no_rttm_is_named(line, message, tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_text(RTTM + line, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"turns\.rttm, {message}"):
        formats.read_rttm(path)


def test_a_file_that_is_no_rttm_at_all_is_named(tmp_path):
    path = tmp_path / "turns.rttm"
    path.write_bytes(b"RIFF\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"turns\.rttm isn't RTTM: it isn't UTF-8"):
        formats.read_rttm(path)
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        formats.read_rttm(tmp_path / "gone.rttm")


# --- which format, and where to ---


def test_the_ending_says_which_format():
    found = [formats.format_of(f"a.b{suffix}") for known in formats.FORMATS.values() for suffix in known.suffixes]
    assert list(dict.fromkeys(found)) == list(names())
    assert formats.format_of("x.TextGrid") == "textgrid"
    assert formats.format_of("x.TextGrid", format="csv") == "csv"
    with pytest.raises(ConfigError, match=r"x\.wav doesn't say by its ending .* \.json, .*: json, jsonl, csv"):
        formats.format_of("x.wav")
    with pytest.raises(ConfigError, match="textgrid"):
        formats.format_of("x", format="textgird")


@pytest.mark.parametrize("name", TEXT)
def test_text_is_the_same_in_a_file_and_a_stream(name, tmp_path):
    path = formats.write(iter(STEREO), tmp_path / "deep" / "er" / "x", format=name, source="é.wav", duration=30)
    text = formats.dumps(iter(STEREO), name, source="é.wav", duration=30)
    assert path.read_bytes() == text.encode()
    stream = io.StringIO()
    formats.dump(STEREO, stream, name, source="é.wav", duration=30)
    assert stream.getvalue() == text


def test_parquet_is_no_text():
    with pytest.raises(ConfigError, match="Parquet table isn't text"):
        formats.dumps(TIMELINE, "parquet")
    with pytest.raises(ConfigError, match="vtt"):
        formats.dumps(TIMELINE, "vvt")


def test_a_file_appears_whole_or_stays_as_it_was(tmp_path):
    path = formats.write(TIMELINE, tmp_path / "x.TextGrid")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="overlap"):
        formats.write([ANGRY, ANGRY], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        formats.write(TIMELINE, tmp_path / "file" / "x.csv")


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path):
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    formats.write(TIMELINE, link)
    assert link.is_symlink()
    assert formats.read(target) == TIMELINE
    code = (
        "from emotone import formats; from emotone.segment import Segment\n"
        "formats.write([Segment(0.0, 1.0, 'sad', 1.0, {'sad': 1.0})], '/dev/stdout', format='audacity')"
    )
    if Path("/dev/stdout").exists():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "0\t1\tsad 100 %\n"


def test_names_that_are_no_utf8_are_written(tmp_path):
    odd = [replace(segment, source=Path("b\udcff.wav")) for segment in TIMELINE]
    for name in names():
        assert file_of(tmp_path, name) == formats.write(odd, file_of(tmp_path, name))
    assert formats.read(tmp_path / "timeline.json")[0].source == Path("b\N{REPLACEMENT CHARACTER}.wav")


# --- what can't be read ---


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("x.json", "{", r"x\.json isn't JSON"),
        ("x.json", "[1]", r'x\.json isn\'t a timeline: it needs "segments"'),
        ("x.json", '{"segments": [1]}', r"x\.json, segment 1 isn't a segment, but 1"),
        ("x.json", '{"segments": [{"start": 0}]}', r"x\.json, segment 1: A segment has the keys"),
        ("x.jsonl", '\n{"start": 1', r"x\.jsonl, line 2 isn't JSON"),
        ("x.jsonl", "3\n", r"x\.jsonl, line 1 isn't a segment"),
        ("x.csv", "a,b\n1,2\n", r"x\.csv holds no segments: the column start is missing"),
        ("x.csv", "start,end,emotion,confidence,flags\n0,1,sad,much,\n", r"x\.csv, line 2: .*much"),
        ("x.csv", "start,end,emotion,confidence,flags\n0,1,sad,1,\n0,1\n", r"x\.csv, line 3: it doesn't have 5 cells"),
        ("x.csv", "start,end,emotion,confidence,flags\n0,1,sad,1,,7\n", r"x\.csv, line 2: it doesn't have 5 cells"),
        ("x.csv", 'start,end,emotion,confidence,flags\n0,1,"sad', r"x\.csv, line \d: unexpected end"),
        ("x.csv", "start,end,emotion,confidence,flags\n,1,sad,1,\n", r"x\.csv, line 2: .*isn't a segment"),
        ("x.csv", b"\xff\xfe", r"x\.csv isn't CSV table: it isn't UTF-8"),
        ("x.parquet", "PAR1", r"x\.parquet can't be read as Parquet"),
        ("x.vtt", "WEBVTT", r"x\.vtt: WebVTT subtitles doesn't hold all of a segment. Read one of json"),
    ],
)
def test_what_is_no_timeline_is_named(file, content, message, tmp_path):
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message):
        formats.read(path)


@pytest.mark.parametrize("name", READABLE)
def test_a_file_that_is_not_there_is_named(name, tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        formats.read(file_of(tmp_path, name))


def test_other_columns_of_a_parquet_table_are_named(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"file": ["x"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="the column start is missing"):
        formats.read(tmp_path / "x.parquet")
    pandas.DataFrame([ANGRY.as_dict() | {"scores": None, "dimensions": 3.0, "start": "?"}]).to_parquet(
        tmp_path / "x.parquet"
    )
    with pytest.raises(ConfigError, match=r"x\.parquet, row 1"):
        formats.read(tmp_path / "x.parquet")


# --- hours ---


@pytest.fixture(scope="module")
def many():
    step = 5_761 / RATE
    return [replace(TIMELINE[n % 4], start=n * step, end=(n + 1) * step, channel=n % 2) for n in range(100_001)]


@pytest.mark.parametrize("name", names())
def test_a_hundred_thousand_segments_are_written_in_seconds(name, many, tmp_path):
    started = time.process_time()
    path = formats.write(many, file_of(tmp_path, name))
    seconds = time.process_time() - started
    print(f"\n{name}: {seconds:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
    assert seconds < 20
    if name == "parquet":
        assert formats.read(path)[-1] == many[-1]


def test_times_are_exact_after_hours(tmp_path):
    late = [replace(SAD, start=(10**9 + 7 * n) / 48_000, end=(10**9 + 7 * n + 7) / 48_000) for n in range(100)]
    tiers = praat(formats.write(late, tmp_path / "x.TextGrid"))
    assert [interval[:2] for interval in tiers["emotion"]][1:] == [(s.start, s.end) for s in late]
    assert [row[:2] for row in labels_of(formats.dumps(late, "audacity"))] == [(s.start, s.end) for s in late]


def test_nothing_heavy_is_imported_but_for_parquet(tmp_path):
    code = (
        "import sys\n"
        "for name in ('pyarrow', 'pandas', 'numpy', 'soundfile', 'onnxruntime'): sys.modules[name] = None\n"
        "from emotone import formats, errors; from emotone.segment import Segment\n"
        "print(formats.dumps([Segment(0.0, 1.0, 'sad', 1.0, {'sad': 1.0})], 'vtt'))\n"
        "try: formats.format_of('x.parquet')\n"
        "except errors.MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sad 100 %" in done.stdout
    assert "pip install 'emotone[train]'" in done.stdout
