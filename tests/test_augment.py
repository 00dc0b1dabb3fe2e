"""`emotone.augment`: what every transform promises, and that each does what its options say, in their units."""

from __future__ import annotations

import dataclasses
import pickle
import time

import numpy as np
import pytest

from emotone import augment, synthetic
from emotone.augment import Chain, level
from emotone.augment.noise import coloured
from emotone.augment.reverberation import room
from emotone.augment.timing import _bursts
from emotone.errors import AudioError, ConfigError

RATE = 16_000
CHANGES_LENGTH = {"speed", "tempo", "truncate", "silence"}


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Three seconds of generated speech."""
    return synthetic.speech("happy", 2, rng=np.random.default_rng(5), seconds=3.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def decibels(ratio: float) -> float:
    return 10 * np.log10(ratio)


def power(signal: np.ndarray) -> float:
    return float(np.mean(np.asarray(signal, np.float64) ** 2))


def sine(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def lag(a: np.ndarray, b: np.ndarray) -> int:
    """Samples by which ``b`` lags behind ``a``, by correlation."""
    n = min(len(a), len(b))
    product = np.fft.irfft(np.fft.rfft(b[:n], 2 * n) * np.conj(np.fft.rfft(a[:n], 2 * n)))
    best = int(np.argmax(product))
    return best if best < n else best - 2 * n


# --- what all promise -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", augment.names())
class TestEvery:
    def test_gives_a_new_finite_signal_and_leaves_the_old_one(self, name, voice):
        before = voice.copy()
        changed = augment.get(name)(voice, rng())
        assert np.array_equal(voice, before)
        assert changed.dtype == np.float32
        assert changed.ndim == 1
        assert not np.shares_memory(changed, voice)
        assert np.isfinite(changed).all()
        assert (len(changed) == len(voice)) == (name not in CHANGES_LENGTH)
        assert not np.array_equal(changed, voice)

    def test_depends_on_the_generator_alone(self, name, voice):
        transform = augment.get(name)
        assert np.array_equal(transform(voice, rng(1)), transform(voice, rng(1)))
        assert np.array_equal(transform(voice, rng(1)), augment.get(name)(voice, rng(1)))

    @pytest.mark.parametrize("n_samples", [1, 7, 333])
    def test_takes_very_short_signals_and_silence(self, name, n_samples):
        for signal in (np.zeros(n_samples, np.float32), rng().normal(size=n_samples).astype(np.float32)):
            changed = augment.get(name)(signal, rng())
            assert len(changed) >= 1
            assert np.isfinite(changed).all()

    def test_is_frozen_and_can_be_pickled_and_described(self, name):
        transform = augment.get(name)
        assert transform.name == name
        assert pickle.loads(pickle.dumps(transform)) == transform
        described = augment.describe(transform)
        assert augment.get(described.pop("name"), **described) == transform
        with pytest.raises(dataclasses.FrozenInstanceError):
            transform.anything = 1

    def test_refuses_what_is_no_signal(self, name):
        for wrong in ([0.0], np.zeros(5), np.zeros((5, 1), np.float32), np.zeros(0, np.float32)):
            with pytest.raises(AudioError, match="float32 with the shape"):
                augment.get(name)(wrong, rng())
        for wrong in (np.nan, np.inf, -np.inf, 101):
            with pytest.raises(AudioError, match="full scale"):
                augment.get(name)(np.array([0, wrong], np.float32), rng())

    def test_has_options_with_ranges(self, name):
        for field in dataclasses.fields(augment.get(name)):
            if field.name == "recordings":
                continue
            wrong = "odd" if isinstance(field.default, str) else 1e9
            with pytest.raises(ConfigError, match=r"Allowed:|goes from") as told:
                augment.get(name, **{field.name: wrong})
            assert field.name in str(told.value)
            if isinstance(field.default, float):
                with pytest.raises(ConfigError, match="nan"):
                    augment.get(name, **{field.name: float("nan")})


def test_unknown_names_and_options_are_told_with_the_likeliest():
    with pytest.raises(ConfigError, match=r"Unknown augmentation 'nois'. Did you mean 'noise'\?"):
        augment.get("nois")
    with pytest.raises(ConfigError, match=r"option of the augmentation 'noise' 'snr'.*Did you mean 'snr_db'\?"):
        augment.get("noise", snr=10)
    with pytest.raises(ConfigError, match=r"snr_db of the augmentation 'noise' goes from -30 to 80 dB, not 90\."):
        augment.get("noise", snr_db=90)


def test_a_chain_does_one_after_the_other_and_describes_itself(voice):
    quieter, cut = augment.get("gain", db=-6), augment.get("truncate", seconds=1)
    chain = Chain((quieter, cut))
    assert np.array_equal(chain(voice, rng()), cut(quieter(voice, rng()), rng()))
    steps = [{"name": "gain", "db": -6}, {"name": "truncate", "seconds": 1, "keep": "start"}]
    assert augment.describe(chain) == {"name": "chain", "steps": steps}
    assert Chain(())(voice, rng()) is not voice


def test_all_are_fast_enough_for_training(voice):
    """A loose bound, so that a slow one is noticed: codecs take up to 60 ms for three seconds, all others under 10."""
    for name in augment.names():
        transform = augment.get(name)
        transform(voice, rng())
        best = min(_seconds(transform, voice) for _ in range(3))
        assert best < (0.6 if name == "codec" else 0.1), name


def _seconds(transform, signal) -> float:
    begin = time.perf_counter()
    transform(signal, rng())
    return time.perf_counter() - begin


# --- level and noise --------------------------------------------------------------------------------------------------


def test_active_power_leaves_pauses_out(voice):
    padded = np.concatenate([voice, np.zeros(2 * len(voice), np.float32)])
    assert level.active_power(padded) == pytest.approx(level.active_power(voice), rel=0.02)
    assert power(padded) == pytest.approx(power(voice) / 3, rel=1e-6)
    assert level.active_power(sine(500)) == pytest.approx(0.5, rel=1e-3)
    assert level.active_power(np.zeros(4000, np.float32)) == 0


def test_active_power_takes_frames_down_to_the_margin_of_p56():
    loud, soft = sine(500), sine(500) * np.float32(10 ** (-14 / 20))
    both = np.concatenate([loud, soft])
    assert decibels(level.active_power(both) / level.active_power(loud)) == pytest.approx(-2.84, abs=0.05)
    too_soft = np.concatenate([loud, soft * np.float32(0.5)])
    assert level.active_power(too_soft) == pytest.approx(level.active_power(loud), rel=1e-3)


def test_one_click_is_no_level_of_a_voice():
    steady = sine(500, 2.0) * np.float32(0.1)
    clicked = steady.copy()
    clicked[8000:8320] *= 10
    assert level.active_power(clicked) == pytest.approx(power(clicked), rel=1e-6)


@pytest.mark.parametrize("colour", ["white", "pink", "speech"])
@pytest.mark.parametrize("snr_db", [-10, 0, 25])
def test_noise_has_the_stated_ratio_to_the_voice(voice, colour, snr_db):
    noise = augment.get("noise", colour=colour, snr_db=snr_db)(voice, rng()) - voice
    assert decibels(level.active_power(voice) / power(noise)) == pytest.approx(snr_db, abs=0.01)


def test_colours_of_noise():
    def octave(colour, low):
        spectrum = np.abs(np.fft.rfft(coloured(1 << 18, colour, rng()))) ** 2
        hertz = np.fft.rfftfreq(1 << 18, 1 / RATE)
        return decibels(spectrum[(hertz >= low) & (hertz < 2 * low)].sum())

    assert octave("white", 2000) - octave("white", 1000) == pytest.approx(3.01, abs=0.3)
    assert octave("pink", 2000) - octave("pink", 1000) == pytest.approx(0, abs=0.3)
    # P.50 gives 51.4 dB at 1 kHz and 34.5 at 4 kHz, per Hz; an octave there is four times as wide.
    assert octave("speech", 2828) - octave("speech", 707) == pytest.approx(34.5 - 51.4 + 6.02, abs=0.5)


def test_a_tone_is_where_it_should_be(voice):
    whistle = augment.get("tone", hertz=5000, snr_db=20)(voice, rng()) - voice
    spectrum = np.abs(np.fft.rfft(whistle * np.hanning(len(whistle))))
    assert np.fft.rfftfreq(len(whistle), 1 / RATE)[spectrum.argmax()] == pytest.approx(5000, abs=1)
    assert decibels(level.active_power(voice) / power(whistle)) == pytest.approx(20, abs=0.05)


def test_silence_stays_silent_beside_noise():
    silence = np.zeros(4000, np.float32)
    for name in ("noise", "tone", "babble"):
        assert not augment.get(name)(silence, rng()).any()


@pytest.mark.parametrize("talkers", [1, 6, 11])
def test_babble_has_the_stated_ratio(voice, talkers):
    babble = augment.get("babble", snr_db=5, talkers=talkers)(voice, rng()) - voice
    assert decibels(level.active_power(voice) / power(babble)) == pytest.approx(5, abs=0.01)


def test_babble_of_given_recordings_is_made_of_them(voice):
    recordings = (sine(300, 0.5), sine(700, 0.3) * np.float32(0.01))
    babble = augment.get("babble", snr_db=0, talkers=2, recordings=recordings)(voice, rng()) - voice
    spectrum = np.abs(np.fft.rfft(babble)) ** 2
    hertz = np.fft.rfftfreq(len(babble), 1 / RATE)
    heard = [spectrum[np.abs(hertz - f) < 20].sum() / spectrum.sum() for f in (300, 700)]
    assert heard == pytest.approx([0.5, 0.5], abs=0.03)  # both equally loud, however loud they were recorded
    with pytest.raises(ConfigError, match="silent"):
        augment.get("babble", recordings=(np.zeros(100, np.float32),))


# --- rooms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rt60", [0.3, 1.0])
def test_a_room_fades_by_60_db_in_its_reverberation_time(rt60):
    """Schroeder's backward integral, from -5 to -25 dB, as ISO 3382 measures T20."""
    response = room(rt60, 0.0, rng()).astype(np.float64)
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    tail = decibels(energy / energy[1])
    first, last = (int(np.argmax(tail < bound)) for bound in (-5, -25))
    assert 3 * (last - first) / RATE == pytest.approx(rt60, rel=0.08)


@pytest.mark.parametrize("direct_db", [-6, 0, 12])
def test_a_room_has_the_stated_share_of_direct_sound(direct_db):
    response = room(0.5, direct_db, rng()).astype(np.float64)
    assert response[0] == 1
    assert decibels(1 / np.sum(response[1:] ** 2)) == pytest.approx(direct_db, abs=0.01)


def test_reverberation_keeps_time_and_direct_sound(voice):
    assert lag(voice, augment.get("reverberation", direct_db=0)(voice, rng())) == 0
    click = np.zeros(8000, np.float32)
    click[2000] = 0.5
    heard = augment.get("reverberation")(click, rng())
    assert np.abs(heard[:2000]).max() < 1e-6
    assert heard[2000] == pytest.approx(0.5, rel=1e-5)
    assert np.abs(heard[2048:]).max() > 0.001


# --- filters ----------------------------------------------------------------------------------------------------------


def gain_at(transform, hertz: float) -> float:
    tone = sine(hertz, 2.0)
    middle = slice(RATE // 2, -RATE // 2)  # without the edges, which ring
    return decibels(power(transform(tone, rng())[middle]) / power(tone[middle]))


def test_low_and_high_pass_have_butterworths_slopes():
    low, high = augment.get("low_pass", hertz=2000, order=2), augment.get("high_pass", hertz=500, order=2)
    assert gain_at(low, 2000) == pytest.approx(-3.01, abs=0.05)
    assert gain_at(low, 4000) == pytest.approx(-decibels(1 + 2**4), abs=0.05)
    assert gain_at(low, 200) == pytest.approx(0, abs=0.01)
    assert gain_at(high, 500) == pytest.approx(-3.01, abs=0.05)
    assert gain_at(high, 250) == pytest.approx(-decibels(1 + 2**4), abs=0.05)
    assert gain_at(high, 5000) == pytest.approx(0, abs=0.01)


def test_the_telephone_band():
    line = augment.get("telephone")
    assert [gain_at(line, f) for f in (300, 1000, 3400)] == pytest.approx([0, 0, 0], abs=0.1)
    assert all(gain_at(line, f) < -40 for f in (150, 3850, 5000, 7000))


def test_tilt_turns_around_and_keeps_the_power(voice):
    tilted = augment.get("tilt", db_per_octave=-6)(voice, rng())
    assert power(tilted) == pytest.approx(power(voice), rel=1e-4)
    both = (sine(500) + sine(2000)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(augment.get("tilt", db_per_octave=-6)(both, rng()))) ** 2
    assert decibels(spectrum[2000] / spectrum[500]) == pytest.approx(-12, abs=0.1)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    down = augment.get("resample", hertz=8000)
    assert gain_at(down, 3000) == pytest.approx(0, abs=0.05)
    assert gain_at(down, 5000) < -60


@pytest.mark.parametrize("name", ["telephone", "low_pass", "high_pass", "tilt", "resample", "packet_loss", "clip"])
def test_nothing_is_delayed(voice, name):
    assert lag(voice, augment.get(name)(voice, rng())) == 0


def test_a_filter_does_not_wrap_around():
    """What rings behind the end must not come up at the beginning."""
    click = np.zeros(1 << 14, np.float32)  # a length that leaves no room of its own behind
    click[-1] = 1
    heard = augment.get("high_pass", hertz=100)(click, rng())
    assert np.abs(heard[:100]).max() < 1e-3


# --- amplitude --------------------------------------------------------------------------------------------------------


def test_gain_and_offset(voice):
    assert decibels(power(augment.get("gain", db=-13)(voice, rng())) / power(voice)) == pytest.approx(-13, abs=1e-3)
    assert np.allclose(augment.get("offset", level=0.1)(voice, rng()) - voice, 0.1, atol=1e-6)


@pytest.mark.parametrize("share", [0.002, 0.1, 0.9])
def test_clipping_cuts_the_stated_share(voice, share):
    clipped = augment.get("clip", share=share)(voice, rng())
    assert np.mean(np.abs(clipped) >= np.abs(clipped).max()) == pytest.approx(share, abs=2e-4)
    untouched = np.abs(voice) < np.abs(clipped).max()
    assert np.array_equal(clipped[untouched], voice[untouched])
    assert np.array_equal(augment.get("clip", share=0)(voice, rng()), voice)


def test_quantising_leaves_two_to_the_bits_levels(voice):
    loud = voice / np.abs(voice).max() * np.float32(1.2)
    for bits in (2, 8):
        changed = augment.get("quantise", bits=bits)(loud, rng())
        assert len(np.unique(changed)) <= 2**bits
        assert np.allclose(changed * 2 ** (bits - 1) % 1, 0)
        assert changed.min() == -1
        assert changed.max() == pytest.approx(1 - 2.0 ** (1 - bits))


# --- time -------------------------------------------------------------------------------------------------------------


def loudest_hertz(signal: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return float(np.fft.rfftfreq(len(signal), 1 / RATE)[spectrum.argmax()])


@pytest.mark.parametrize("factor", [0.8, 1.1, 1.5])
def test_speed_changes_length_and_pitch_and_tempo_length_alone(factor):
    tone = sine(440, 2.0)
    faster, denser = (augment.get(name, factor=factor)(tone, rng()) for name in ("speed", "tempo"))
    assert len(faster) == pytest.approx(len(tone) / factor, abs=2)
    assert len(denser) == pytest.approx(len(tone) / factor, abs=1)
    assert loudest_hertz(faster) == pytest.approx(440 * factor, abs=1)
    assert loudest_hertz(denser) == pytest.approx(440, abs=1)
    # Windows meet in phase: no beating.
    envelope = np.abs(denser[2000:-2000]).reshape(-1)[: len(denser) // 400 * 400 - 4000].reshape(-1, 80).max(axis=1)
    assert envelope.min() > 0.95


def test_tempo_of_one_changes_nothing(voice):
    assert np.allclose(augment.get("tempo", factor=1.0)(voice, rng()), voice, atol=1e-6)


def test_tempo_keeps_the_level_of_a_voice(voice):
    assert power(augment.get("tempo", factor=1.3)(voice, rng())) == pytest.approx(power(voice), rel=0.15)


def test_truncating(voice):
    def cut(**options):
        return augment.get("truncate", **options)(voice, rng())

    n = RATE // 2
    assert np.array_equal(cut(seconds=0.5), voice[:n])
    assert np.array_equal(cut(seconds=0.5, keep="end"), voice[-n:])
    middle = (len(voice) - n) // 2
    assert np.array_equal(cut(seconds=0.5, keep="middle"), voice[middle : middle + n])
    assert len(cut(seconds=0.5, keep="random")) == n
    assert np.array_equal(cut(seconds=100), voice)


def test_silence_around_and_cuts(voice):
    padded = augment.get("silence", before=0.5, after=0.25)(voice, rng())
    assert np.array_equal(padded[8000:-4000], voice)
    assert not padded[:8000].any()
    assert not padded[-4000:].any()
    cut = augment.get("silence", before=-0.5, after=-0.25)(voice, rng())
    assert np.array_equal(cut, voice[8000:-4000])
    assert len(augment.get("silence", before=-100, after=-100)(voice, rng())) == 1


@pytest.mark.parametrize(("share", "burst"), [(0.05, 1.0), (0.2, 3.0), (0.6, 2.0)])
def test_packets_are_lost_in_the_stated_share_and_bursts(share, burst):
    lost = _bursts(200_000, share, burst, rng())
    runs = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]])))
    assert lost.mean() == pytest.approx(share, rel=0.03)
    assert np.mean(runs[1::2] - runs[::2]) == pytest.approx(burst, rel=0.07)


def test_lost_packets_are_silent_and_the_rest_is_kept():
    steady = np.ones(RATE, np.float32)
    packets = augment.get("packet_loss", share=0.3)(steady, rng()).reshape(-1, 320)
    assert set(packets.mean(axis=1)) == {0.0, 1.0}
    assert np.array_equal(augment.get("packet_loss", share=0)(steady, rng()), steady)
