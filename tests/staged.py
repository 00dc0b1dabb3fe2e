"""A folder in which the documentation's commands work: generated speech under the names that the pages use."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import soundfile
from joined import joined

from emotone import audio, synthetic
from emotone.audio import SAMPLE_RATE, Signal

ACTORS = (1, 2, 3, 4, 6, 8)
"""One of each of RAVDESS's published folds."""

SAMPLE = Path(synthetic.__file__).with_name("samples") / "angry.wav"
PEOPLE = {"anna": 2, "ben": 1, "cleo": 4, "dan": 3, "eva": 6}
OWN = {"angry": "05", "happy": "03", "neutral": "01", "sad": "04"}
CREMA_D = {"ANG": "angry", "DIS": "disgusted", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}

TURNS = """\
SPEAKER interview 1 0.000 9.000 <NA> <NA> anna <NA> <NA>
SPEAKER interview 1 9.000 12.000 <NA> <NA> ben <NA> <NA>
"""

RUNS = """\
emotone train -c ravdess=data/ravdess --frontend librosa180 --protocol official -o runs/first
emotone train -c ravdess=data/ravdess --frontend librosa180 --model svm --protocol official --no-audit -o runs/second
"""


def stage(folder: Path, environment: dict[str, str]) -> Path:
    """Everything that pages take for granted: corpora, recordings and two runs."""
    ravdess = _ravdess(folder / "data" / "ravdess")
    _crema_d(folder / "data" / "crema_d" / "AudioWAV")
    _own_recordings(ravdess, folder / "my" / "recordings")
    _recordings(ravdess, folder)
    subprocess.run(["bash", "-euc", RUNS], cwd=folder, env=environment, capture_output=True, check=True)
    return folder


def copy(staged: Path, folder: Path) -> Path:
    """A folder of its own for a page, of links to the same bytes."""
    return Path(shutil.copytree(staged, folder, copy_function=os.link))


def _ravdess(folder: Path) -> Path:
    """Without the strong half of each emotion: a page that trains has to be done in seconds."""
    synthetic.write_ravdess(folder, speakers=ACTORS, repetitions=1)
    for clip in folder.glob("*/03-01-??-02-*.wav"):
        clip.unlink()
    return folder


def _crema_d(folder: Path) -> None:
    folder.mkdir(parents=True)
    for actor, (code, emotion), sentence in itertools.product((1, 2, 3, 4), CREMA_D.items(), ("DFA", "IEO")):
        rng = np.random.default_rng([actor, *map(ord, sentence + code)])
        level = "XX" if sentence == "DFA" or code == "NEU" else "MD"
        clip = synthetic.speech(emotion, 30 + actor, rng=rng, seconds=1.6)
        soundfile.write(folder / f"{1000 + actor}_{sentence}_{code}_{level}.wav", clip, SAMPLE_RATE)


def _own_recordings(ravdess: Path, folder: Path) -> None:
    for (name, actor), (emotion, code) in itertools.product(PEOPLE.items(), OWN.items()):
        target = folder / name / emotion
        target.mkdir(parents=True)
        for number, clip in enumerate(sorted(ravdess.glob(f"Actor_{actor:02d}/03-01-{code}-*.wav")), 1):
            os.link(clip, target / f"take-{number}.wav")


def _recordings(ravdess: Path, folder: Path) -> None:
    shutil.copy(SAMPLE, folder / "speech.wav")
    said = sorted(ravdess.glob("Actor_02/*.wav"))
    for name in ("recordings", "calls", "same-speaker", "quiet-room"):
        (folder / name).mkdir()
    for clip in said[2:16:4]:
        os.link(clip, folder / "recordings" / clip.name)
    for number, clip in enumerate(said[3:16:2], 1):
        os.link(clip, folder / "same-speaker" / f"ann{number}.wav")
    rng = np.random.default_rng(1)
    conversation = [_talk(ravdess, actor, rng) for actor in (2, 1)]
    n = min(map(len, conversation))
    channels = np.stack([channel[:n] for channel in conversation], axis=1)
    soundfile.write(folder / "call.wav", channels, SAMPLE_RATE)
    os.link(folder / "call.wav", folder / "calls" / "monday.wav")
    _film(channels.mean(axis=1), folder / "interview.mp4")
    (folder / "interview.rttm").write_text(TURNS, "utf-8")


def _talk(ravdess: Path, actor: int, rng: np.random.Generator) -> Signal:
    folder = ravdess / f"Actor_{actor:02d}"
    clips = [folder / f"03-01-{code}-01-01-01-{actor:02d}.wav" for code in ("01", "05", "04", "03")]
    return joined(((audio.load(clip), clip.name) for clip in clips), rng=rng).signal


def _film(signal: Signal, target: Path) -> None:
    """Its sound alone, as AAC: enough for a film that is listened to."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray(signal[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        for piece in fifo.read_many(1024):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(fifo.read()))
        container.mux(stream.encode(None))


def encoder(folder: Path) -> None:
    """Whisper's shape, tiny and untrained, where torch is installed. Apart, since importing torch takes seconds."""
    if folder.exists():
        return
    try:
        import torch
        import transformers
    except ImportError:
        return
    torch.manual_seed(0)
    sizes = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "vocab_size": 50}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**special, **sizes))
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nTiny and untrained.\n", "utf-8")
