"""The synthesiser: a pure function of its arguments, shaped like speech, and its emotions move the voice."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotone import audio, synthetic
from emotone.errors import ConfigError
from emotone.labels import EMOTIONS

Array = npt.NDArray[np.float32]
ROOT = Path(__file__).parents[1]


def clip(emotion: str, speaker: int, seed: int = 0, **options: float) -> Array:
    return synthetic.speech(emotion, speaker, rng=np.random.default_rng(seed), **options)  # type: ignore[arg-type]


def measures(signal: Array) -> dict[str, float]:
    """Of loud frames: pitch and its spread (semitones), level, and power above 1 kHz against below (dB)."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, 640)[::160] * np.hanning(640)
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    energy = power.sum(axis=1)
    loud = energy > np.percentile(energy, 50)
    lags = np.fft.irfft(power)[:, 32:230]  # 70 to 500 Hz
    pitch = 12 * np.log2(16000 / (32 + lags[loud].argmax(axis=1)))
    mean = power[loud].mean(axis=0)
    return {
        "pitch": float(np.median(pitch)),
        "range": float(np.subtract(*np.percentile(pitch, [75, 25]))),
        "level": float(10 * np.log10(energy[loud].mean())),
        "brightness": float(10 * np.log10(mean[128:].sum() / mean[:128].sum())),
    }


def averages(emotion: str) -> dict[str, float]:
    found = [measures(clip(emotion, speaker, seed)) for speaker in range(1, 9) for seed in range(3)]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize(("seconds", "rate"), [(2.5, 16000), (0.5, 16000), (1.2345, 8000), (3.0, 44100), (12.0, 16000)])
def test_shape_and_level(emotion: str, seconds: float, rate: int) -> None:
    signal = clip(emotion, 3, seconds=seconds, rate=rate)
    assert signal.dtype == np.float32
    assert signal.shape == (round(seconds * rate),)
    assert np.isfinite(signal).all()
    assert 0.02 < np.abs(signal).max() <= 0.91
    assert abs(float(signal.mean())) < 0.01
    assert audio.flags(signal, rate) == ()


def test_same_arguments_same_clip_and_another_rng_another() -> None:
    np.testing.assert_array_equal(clip("happy", 2, 5), clip("happy", 2, 5))
    others = (clip("happy", 2, 6), clip("happy", 3, 5), clip("sad", 2, 5), clip("happy", 2, 5, strength=1.5))
    for other in others:
        assert np.corrcoef(clip("happy", 2, 5), other)[0, 1] < 0.9


def test_starts_and_ends_in_silence_and_pulses_in_between() -> None:
    for speaker in (1, 2):
        signal = clip("neutral", speaker)
        edge = np.concatenate([signal[:1200], signal[-1200:]])
        assert np.sqrt(np.mean(edge**2)) < 0.02 * np.sqrt(np.mean(signal**2))
        loud = signal[20000 - 8000 : 20000]
        lags = np.correlate(loud, loud, "full")[len(loud) - 1 :]
        assert lags[32:230].max() > 0.35 * lags[0]  # voiced


def test_has_formants() -> None:
    """Below 5 kHz a vowel's smoothed spectrum has three humps or more, 5 dB above the dips beside them."""
    signal = clip("neutral", 1, 3)
    loudest = int(np.convolve(signal**2, np.ones(1600), "valid").argmax())
    level = 10 * np.log10(np.abs(np.fft.rfft(signal[loudest : loudest + 1600] * np.hanning(1600))) ** 2 + 1e-12)
    smooth = np.convolve(np.maximum.reduce([np.roll(level, k) for k in range(-8, 9)]), np.ones(9) / 9, "same")[4:500]
    humps = [
        k
        for k in range(20, 476)
        if smooth[k] == smooth[k - 20 : k + 21].max()
        and smooth[k] - min(smooth[max(0, k - 70) : k].min(), smooth[k : k + 70].min()) > 5
    ]
    assert len(humps) >= 3


def test_emotions_move_the_voice_as_the_literature_says() -> None:
    found = {emotion: averages(emotion) for emotion in EMOTIONS}
    neutral = found["neutral"]
    for emotion in ("happy", "angry", "fearful", "surprised"):
        assert found[emotion]["pitch"] > neutral["pitch"] + 1.5
        assert found[emotion]["level"] > neutral["level"]
    assert found["surprised"]["range"] > neutral["range"] + 1.5
    assert found["happy"]["range"] > neutral["range"] + 1
    assert found["sad"]["range"] < neutral["range"]
    assert found["angry"]["level"] == max(each["level"] for each in found.values())
    assert found["angry"]["brightness"] > neutral["brightness"] + 1
    for emotion in ("sad", "calm"):
        assert found[emotion]["level"] < neutral["level"] - 1.5
        assert found[emotion]["pitch"] < neutral["pitch"] + 0.5


def test_strength_scales_the_emotion() -> None:
    def level(strength: float) -> float:
        return float(np.mean([measures(clip("angry", s, strength=strength))["level"] for s in range(1, 9)]))

    assert level(1.0) > level(0.2) + 4


def test_even_speakers_have_higher_voices_and_speakers_differ() -> None:
    pitch = np.array([np.median([measures(clip("neutral", s, k))["pitch"] for k in range(3)]) for s in range(1, 13)])
    assert pitch[1::2].min() > pitch[0::2].max()
    assert pitch[0::2].std() > 0.5


@pytest.mark.parametrize(
    ("emotion", "speaker", "options", "pattern"),
    [
        ("angri", 1, {}, "Unknown emotion 'angri'. Did you mean 'angry'?"),
        ("angry", -1, {}, "not speaker -1"),
        ("angry", 1, {"seconds": 0.1}, r"not speaker 1, 0\.1 s"),
        ("angry", 1, {"seconds": float("nan")}, "nan s"),
        ("angry", 1, {"rate": 4000}, "4000 Hz"),
    ],
)
def test_arguments_out_of_range(emotion: str, speaker: int, options: dict[str, float], pattern: str) -> None:
    with pytest.raises(ConfigError, match=pattern):
        clip(emotion, speaker, **options)


def test_a_clip_takes_a_moment() -> None:
    times = []
    for seed in range(8):
        began = time.perf_counter()
        clip("angry", 1, seed)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1


def test_ravdess_names_and_contents(tmp_path: Path) -> None:
    root = synthetic.write_ravdess(tmp_path / "r", speakers=[1, 2], emotions=["neutral", "angry"], repetitions=1)
    assert root == tmp_path / "r"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))
    assert names == sorted(
        f"Actor_{actor}/03-01-{code}-{intensity}-{statement}-01-{actor}.wav"
        for actor in ("01", "02")
        for code, intensity in (("01", "01"), ("05", "01"), ("05", "02"))
        for statement in ("01", "02")
    )
    contents = {(root / name).read_bytes() for name in names}
    assert len(contents) == len(names)  # no two alike
    with wave.open(str(root / names[0])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert 1.8 <= file.getnframes() / 16000 <= 2.6


def test_ravdess_by_default_is_sixty_clips_a_speaker(tmp_path: Path) -> None:
    names = [path.name for path in synthetic.write_ravdess(tmp_path, speakers=[24]).rglob("*.wav")]
    assert len(names) == 60
    pattern = re.compile(r"03-01-0[1-8]-0[12]-0[12]-0[12]-24\.wav")
    assert all(pattern.fullmatch(name) for name in names)
    assert not [name for name in names if name.startswith("03-01-01-02")]


def test_files_depend_on_their_name_and_the_seed_alone(tmp_path: Path) -> None:
    few = synthetic.write_ravdess(tmp_path / "few", speakers=[3], emotions=["sad"], repetitions=1)
    more = synthetic.write_ravdess(tmp_path / "more", speakers=[2, 3], emotions=["happy", "sad"], repetitions=2)
    other = synthetic.write_ravdess(tmp_path / "other", speakers=[3], emotions=["sad"], repetitions=1, seed=1)
    for path in few.rglob("*.wav"):
        name = path.relative_to(few)
        assert path.read_bytes() == (more / name).read_bytes()
        assert path.read_bytes() != (other / name).read_bytes()


def test_folder_per_emotion(tmp_path: Path) -> None:
    root = synthetic.write_folder(tmp_path, speakers=[1, 12], emotions=["calm", "happy"], repetitions=2)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))
    assert names == sorted(
        f"{emotion}/spk{speaker}_{take}.wav"
        for emotion in ("calm", "happy")
        for speaker in ("01", "12")
        for take in (1, 2)
    )
    assert all(audio.flags(audio.load(root / name)) == () for name in names)


def test_an_unknown_emotion_writes_nothing(tmp_path: Path) -> None:
    for write in (synthetic.write_ravdess, synthetic.write_folder):
        with pytest.raises(ConfigError, match="Unknown emotion 'bored'"):
            write(tmp_path, emotions=["happy", "bored"])
    assert list(tmp_path.iterdir()) == []


def test_unseen_speakers_are_recognised_well_above_chance_but_not_always() -> None:
    """Four rough measures and a linear model: chance is 0.125."""
    cases = [(emotion, speaker, seed) for emotion in EMOTIONS for speaker in range(1, 9) for seed in range(4)]
    X = np.array([list(measures(clip(*case, seconds=1.8)).values()) for case in cases])
    y = [emotion for emotion, _, _ in cases]
    groups = [speaker for _, speaker, _ in cases]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = cross_val_predict(model, X, y, groups=groups, cv=LeaveOneGroupOut())
    assert 0.25 < balanced_accuracy_score(y, predicted) < 0.85


def test_the_shipped_sample_is_what_the_script_writes(tmp_path: Path) -> None:
    """To the last bit of 16, that is: another processor may round a sine differently."""
    subprocess.run([sys.executable, ROOT / "scripts" / "make_sample", tmp_path / "a.wav"], check=True, timeout=60)
    shipped = ROOT / "src" / "emotone" / "samples" / "angry.wav"
    assert 60_000 < shipped.stat().st_size < 100_000
    ours, theirs = audio.load(shipped), audio.load(tmp_path / "a.wav")
    np.testing.assert_allclose(ours, theirs, atol=1.5 / 32768, rtol=0)
    assert audio.inspect(shipped) == audio.AudioInfo(2.8, 16000, 1, "wav pcm_16")
    assert audio.flags(ours) == ()
