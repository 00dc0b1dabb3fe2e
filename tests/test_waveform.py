"""The front-end ``waveform``: signals of any length, not all of them in memory, and what listens to them."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path

import numpy as np
import pytest

from emotone import Experiment, audio, features, load, synthetic
from emotone.errors import AudioError, ConfigError
from emotone.features.waveform import SHORTEST, Signals, SignalWriter, Waveform, as_float, as_short, pieces

LABELS = ("neutral", "sad", "angry")
TINY = {
    "width": 16,
    "layers": 1,
    "heads": 2,
    "kernel": 3,
    "n_mels": 16,
    "epochs": 4,
    "batch": 8,
    "seconds": 1.0,
    "learning_rate": 5e-3,
    "average": 0.9,
    "n_folds": 3,
    "device": "cpu",
    "precision": "float32",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3, 4), emotions=LABELS, repetitions=1)


def experiment(root: Path, checkpoints: str = "", **changes):
    return Experiment(
        corpora={"ravdess": root},
        labels=LABELS,
        model="network",
        model_options={**TINY, "checkpoints": checkpoints},
        protocol_options={"n_folds": 2},
        **changes,
    )


# --- the front-end ---


def test_it_gives_the_signal_and_has_no_names(rng):
    frontend = features.get("waveform")
    signal = rng.normal(0, 0.1, 1000).astype(np.float32)
    assert frontend(signal) is signal
    assert frontend.names == ()
    assert frontend.rate == audio.SAMPLE_RATE
    assert features.gives_signals(frontend)
    assert not features.gives_signals(features.get("librosa180"))
    assert features.from_description(features.describe(frontend)) == Waveform()


@pytest.mark.parametrize("signal", [np.zeros(0, np.float32), np.zeros((3, 2), np.float32)])
def test_what_has_no_samples_is_refused(signal):
    with pytest.raises(AudioError, match="at least one of them"):
        Waveform()(signal)


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(AudioError, match="NaN or infinite"):
        Waveform()(np.array([0, np.nan], np.float32))


def test_sixteen_bits_go_there_and_back(rng):
    shorts = rng.integers(-32_768, 32_768, 500).astype(np.int16)
    assert np.array_equal(as_short(as_float(shorts)), shorts)
    assert as_float(shorts).dtype == np.float32
    assert as_short(np.array([2.0, -2.0, 0.5], np.float32)).tolist() == [32_767, -32_768, 16_384]


def test_pieces_cover_the_signal_and_are_of_one_length():
    assert pieces(100) == [slice(0, 100)]
    assert pieces(30 * 16_000) == [slice(0, 480_000)]
    cuts = pieces(65 * 16_000 + 1)
    assert [cut.start for cut in cuts[1:]] == [cut.stop for cut in cuts[:-1]]
    assert (cuts[0].start, cuts[-1].stop, len(cuts)) == (0, 65 * 16_000 + 1, 3)
    assert np.ptp([cut.stop - cut.start for cut in cuts]) <= 1


# --- many of them ---


def made(rng, n=5):
    return [rng.integers(-1000, 1000, int(rng.integers(1, 50))).astype(np.int16) for _ in range(n)]


def test_signals_are_a_sequence_whose_selections_share_samples(rng):
    plain = made(rng)
    signals = Signals.of(plain)
    assert len(signals) == 5
    assert signals.shape == (5,)
    assert all(np.array_equal(a, b) for a, b in zip(signals, plain, strict=True))
    assert np.array_equal(signals[-1], plain[-1])
    chosen = signals[np.array([3, 1])]
    assert [len(signal) for signal in chosen] == [len(plain[3]), len(plain[1])] == chosen.lengths.tolist()
    assert len(signals[np.array([True, False, True, False, False])]) == 2
    assert len(signals[1:3]) == 2
    assert np.shares_memory(chosen[0], signals[3])
    assert len(Signals.of([])) == 0
    with pytest.raises(IndexError):
        signals[5]


def test_the_hash_is_of_samples_and_borders(rng):
    plain = made(rng)
    signals = Signals.of(plain)
    assert signals.sha256 == Signals.of(plain).sha256
    assert signals.sha256 != signals[np.array([1, 0, 2, 3, 4])].sha256
    joined = [np.concatenate(plain[:2]), *plain[2:], np.zeros(0, np.int16)]
    assert signals.sha256 != Signals.of(joined).sha256


def test_signals_can_be_written_in_any_order_and_leave_nothing_behind(rng, tmp_path):
    plain = made(rng)
    writer = SignalWriter(6, tmp_path / "new")
    for row in (4, 0, 3, 1):
        writer[row] = as_float(plain[row])
    signals = writer.signals()
    assert [len(signal) for signal in signals] == [len(plain[0]), len(plain[1]), 0, len(plain[3]), len(plain[4]), 0]
    assert np.array_equal(signals[4], plain[4])
    chosen = signals[np.array([4])]
    del signals, writer
    gc.collect()
    assert np.array_equal(chosen[0], plain[4]), "a selection keeps the file"
    assert not list((tmp_path / "new").iterdir())
    assert len(SignalWriter(2).signals()[0]) == 0


def test_a_place_that_can_not_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"can't be kept in .*EMOTONE_CACHE"):
        SignalWriter(1, tmp_path / "file")


# --- from recordings ---


def test_extraction_gives_the_recordings_and_names_those_that_fail(root, tmp_path):
    clips = sorted(root.rglob("*.wav"))[:3]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    extracted = features.extract_files([clips[0], broken, *clips[1:]], Waveform(), jobs=1)
    assert isinstance(extracted.X, Signals)
    assert [failure.row for failure in extracted.failures] == [1]
    assert len(extracted.X[1]) == 0
    wanted = audio.load(clips[0])
    np.testing.assert_allclose(as_float(extracted.X[0]), np.clip(wanted, -1, 1), atol=1 / 32_768)


def test_workers_give_the_same_signals(root, monkeypatch):
    from emotone.features import extraction

    clips = sorted(root.rglob("*.wav"))[:6]
    alone = features.extract_files(clips, Waveform(), jobs=1, cache=False).X
    monkeypatch.setattr(extraction, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(extraction, "SECONDS_SHARED", 0.0)
    assert features.extract_files(clips, Waveform(), jobs=2, cache=False).X.sha256 == alone.sha256


# --- through an experiment to a recogniser ---


def test_models_and_features_have_to_fit(root):
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    assert experiment(root).frontend == "waveform"
    assert Experiment(corpora={"ravdess": root}).frontend == "functionals"
    with pytest.raises(ConfigError, match="'network' can't learn from 'librosa180', which gives features"):
        experiment(root, frontend="librosa180")
    with pytest.raises(ConfigError, match="'svm' can't learn from 'waveform', which gives signals"):
        Experiment(corpora={"ravdess": root}, model="svm", frontend="waveform")


def test_from_recordings_to_a_recogniser_that_says_the_same(root, tmp_path):
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    from emotone.prepared import fit_model

    one = experiment(root, checkpoints=str(tmp_path / "checkpoints"))
    prepared = one.prepare(jobs=1, cache=False)
    assert len(prepared.sha256) == 64
    result = one.run(prepared)
    assert len(result.table) == len(prepared.table)
    recogniser = one.fit(prepared, result=result)
    model = fit_model(one.make_model(), prepared, np.arange(len(prepared.table)))
    order = [list(model.classes_).index(label) for label in prepared.labels]
    wanted = model.predict_proba(prepared.X)[:, order]
    np.testing.assert_allclose(recogniser.predict_proba(prepared.X), wanted, atol=1e-4)
    assert recogniser.abstain_below == pytest.approx(np.quantile(model.held_out_proba_.max(axis=1), 0.1))

    recogniser.save(tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    assert loaded.config["frontend"] == {"name": "waveform", "version": 1}
    clip = sorted(root.rglob("*.wav"))[0]
    row = prepared.table["file"].tolist().index(str(clip.relative_to(root)))
    answer = loaded.predict(clip)
    for label, value in zip(prepared.labels, wanted[row], strict=True):
        assert answer.scores[label] == pytest.approx(value, abs=1e-3)  # 16 bits against the decoder's floats
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    assert "waveform" in loaded.card
    assert len(list((tmp_path / "checkpoints").iterdir())) == 6, "two trainings for each fold, and two for the last"
    assert str(tmp_path) not in loaded.card + str(loaded.config) + str(result.protocol)

    # Signals of minutes are heard in pieces, and the shortest are filled up, both as the model does.
    for signal in (np.tile(audio.load(clip), 40)[: 70 * 16_000], audio.load(clip)[:300]):
        got = loaded.predict_proba([signal])
        np.testing.assert_allclose(got, model.predict_proba([signal])[:, order], atol=1e-4)
    with pytest.raises(ConfigError, match="hears signals"):
        loaded.predict_proba([np.full(SHORTEST, np.nan, np.float32)])
    assert loaded.predict_proba([]).shape == (0, 3)
