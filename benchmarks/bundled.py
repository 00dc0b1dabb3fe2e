"""The bundled recognisers, from the recordings: their network, its training, what it is worth on unheard speakers.

    python benchmarks/bundled.py sounds                      decode everything, also faster and slower
    python benchmarks/bundled.py reduction                   what of the teacher to learn, from speakers nobody tests
    python benchmarks/bundled.py targets [--part 0/2]        what the teacher says of everything
    python benchmarks/bundled.py train NAME ...              networks: see TRAININGS
    python benchmarks/bundled.py embed NAME ...              what a network makes of every utterance

A network is trained from random parameters: first (``trunk``) to say what Whisper base's blocks 3 and 4 say of
LibriSpeech and nEMO, frame by frame, then (``fold1`` to ``fold6``) to say it of every corpus and to tell the emotions
besides. Each of the six leaves out one of RAVDESS's published folds, one of five groups of CREMA-D's speakers (the
sixth none), and one or two speakers of EMO-DB: nothing of those, labelled or not, spoken or sung, is in its training.
``default`` is trained as they are, on all speakers. ``crema``, of LibriSpeech and CREMA-D alone, is what the
recogniser ``open`` hears with. Each then goes through a last epoch (``fold1+``, ``default+``, ``crema+``) in which
nearly every crop is among noise or voices, in a room, behind another microphone or a telephone, and says what the
teacher said of the clean sound. What answers in the end is a head that `bundled_scores.py` fits to what a network
imitates.

Everything lies in EMOTONE_WORK (default: ``build/bundled``) and is picked up where it was left. Recordings are looked
for in EMOTONE_DATA, else in ``../shared/data``; the teacher in EMOTONE_WEIGHTS, else in ``../shared/weights``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soxr
import torch

from emotone import audio, augment, corpora
from emotone.experiment import Experiment
from emotone.features import encoders
from emotone.features.waveform import Signals, as_float, as_short
from emotone.labels import harmonise
from emotone.models.distillation import Reduction, Targets, taught
from emotone.models.examples import Examples
from emotone.models.heads import Head, with_head
from emotone.models.network import load_network, save_network
from emotone.models.networks import Network, NetworkOptions, as_stored, n_frames
from emotone.models.objective import precision_of
from emotone.models.perturbation import perturb
from emotone.models.training import TrainingOptions, embeddings_of, train

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
DATA = Path(os.environ.get("EMOTONE_DATA", SHARED / "data"))
WEIGHTS = Path(os.environ.get("EMOTONE_WEIGHTS", SHARED / "weights")) / "whisper-base"
WORK = Path(os.environ.get("EMOTONE_WORK", HERE.parent / "build" / "bundled"))

LABELLED = ("ravdess", "ravdess_song", "crema_d", "emodb", "nemo")
SPOKEN = "librispeech"
SPEEDS = (1.0, 0.9, 1.1)
"""Tape speeds: pitch, formants and tempo move together, as if somebody else spoke. The teacher hears each of them."""
BLOCKS = (3, 4)
"""Of the teacher: where emotion is clearest (`benchmarks/encoder_probe.py`)."""
N_TARGETS = 384
LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised", "bored")
OPEN_LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted")

STORAGE = "int8"
"""Of what is shipped, and so of what is scored."""
LABEL_SETS = {"ravdess": "eight", "crema_d": "six", "emodb": "all"}
"""What each corpus is tested on."""
SHAPE = {"dropout": 0.0, "head_dropout": 0.3}
LOOP = {"batch": 32, "seconds": 2.56, "votes": 0.0, "label_share": 0.2, "mask_bands": 8, "mask_frames": 16}
TRUNK_LOOP = {**LOOP, "label_share": 0.0}
HARD = 1.6
"""How much the last epoch, and half of what heads are fitted to, are perturbed (`TrainingOptions.augment`). Before it,
noise met one crop in two, voices and rooms one in four, and telephones hardly any."""
HARD_LOOP = {**LOOP, "augment": HARD, "learning_rate": 7e-4}


@dataclass(frozen=True)
class Training:
    """What a network learns from, and from which it begins."""

    corpora: tuple[str, ...]
    labels: tuple[str, ...]
    epochs: int
    begin: str = ""
    fold: int = 0
    """1 to 6: which speakers are left out; 0 none."""
    once: tuple[str, ...] = ()
    """Corpora that are heard at one speed."""
    loop: tuple[tuple[str, Any], ...] = tuple(LOOP.items())


_ALL = (*LABELLED, SPOKEN)
_FOLD = Training(_ALL, LABELS, epochs=2, begin="trunk", once=("nemo", SPOKEN))
_FIRST = {
    "trunk": Training((SPOKEN, "nemo"), LABELS, epochs=4, loop=tuple(TRUNK_LOOP.items())),
    **{f"fold{k}": replace(_FOLD, fold=k) for k in range(1, 7)},
    "default": _FOLD,
    "crema": Training((SPOKEN, "crema_d"), OPEN_LABELS, epochs=4),
}
TRAININGS: dict[str, Training] = _FIRST | {
    f"{name}+": replace(plan, begin=name, epochs=1, loop=tuple(HARD_LOOP.items()))
    for name, plan in _FIRST.items()
    if name != "trunk"
}


# --- sounds ---


def sounds() -> None:
    """Every recording at every speed, end to end in one file, and a table of them."""
    WORK.mkdir(parents=True, exist_ok=True)
    tables = [corpora.load(name, DATA / name).assign(corpus=name) for name in LABELLED]
    spoken = sorted((DATA / SPOKEN).glob("*.opus"))
    tables.append(
        pd.DataFrame(
            {
                "corpus": SPOKEN,
                "file": [path.name for path in spoken],
                "speaker": [f"{SPOKEN}/{path.name.split('-')[0]}" for path in spoken],
                "emotion": "",
            }
        )
    )
    table = pd.concat([each[["corpus", "file", "speaker", "emotion"]] for each in tables], ignore_index=True)
    lengths = []
    with (WORK / "samples.int16").open("wb") as out:
        for row in table.itertuples():
            signal = audio.load(DATA / row.corpus / row.file)
            for speed in SPEEDS:
                changed = signal if speed == 1 else soxr.resample(signal, audio.SAMPLE_RATE * speed, audio.SAMPLE_RATE)
                samples = as_short(changed)
                out.write(samples.tobytes())
                lengths.append(len(samples))
    table = table.loc[table.index.repeat(len(SPEEDS))].reset_index(drop=True)
    table["speed"] = np.tile(SPEEDS, len(table) // len(SPEEDS))
    table["samples"] = lengths
    table.to_csv(WORK / "table.csv", index=False)
    print(f"{len(table)} signals, {sum(lengths) / 16_000 / 3600:.1f} h")


def heard() -> tuple[pd.DataFrame, Signals]:
    """The table and its signals."""
    table = pd.read_csv(WORK / "table.csv", keep_default_na=False)
    ends = table["samples"].cumsum().to_numpy(np.int64)
    samples = np.memmap(WORK / "samples.int16", np.int16, mode="r")
    return table, Signals(samples, np.concatenate([[0], ends[:-1]]), ends)


# --- the teacher ---


class WhisperBlocks:
    """Two middle blocks side by side, ``(frames, 1024)``, 50 frames a second, in bfloat16 where that is fast."""

    def __init__(self) -> None:
        folder = WORK / "teacher"
        if not folder.exists():
            script = HERE.parent / "scripts" / "make_encoder_folder"
            subprocess.run([sys.executable, script, WEIGHTS / "encoder.npz", folder], check=True)
        self.network: Any = encoders.load(folder, n_blocks=max(BLOCKS))

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            layers = self.network(self.network.prepare(signal))
        return torch.cat([layers[block][0].float() for block in BLOCKS], 1).numpy()


def reduction() -> None:
    """Principal components of what the teacher says of speakers who are in no test."""
    table, signals = heard()
    own = np.flatnonzero(table["corpus"].isin([SPOKEN, "nemo"]) & (table["speed"] == 1))
    chosen = np.random.default_rng(0).permutation(own)[:1200]
    teacher = WhisperBlocks()
    said = [taught(teacher, signals[int(row)]) for row in chosen]
    Reduction.fit(said, n_components=N_TARGETS, layers=len(BLOCKS)).save(WORK / "reduction.npz")


def targets(part: str) -> None:
    """What the teacher says of everything; several processes may take a part each."""
    table, signals = heard()
    reduced = Reduction.load(WORK / "reduction.npz")
    starts = _starts(table)
    path = WORK / "targets.npy"
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}")
        np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=(int(starts[-1]), N_TARGETS)).flush()
        aside.rename(path)
    frames = np.load(path, mmap_mode="r+")
    number, count = map(int, part.split("/"))
    teacher, begun = WhisperBlocks(), time.time()
    for i in range(number, len(table), count):
        frames[starts[i] : starts[i + 1]] = reduced(taught(teacher, signals[i]))
        if i % 3000 < count:
            print(f"{i} of {len(table)}, {time.time() - begun:.0f} s", flush=True)
    frames.flush()


def _starts(table: pd.DataFrame) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([n_frames(n) for n in table["samples"]])]).astype(np.int64)


# --- training ---


DEALT: dict[str, tuple[str, dict[str, Any]]] = {
    "ravdess": ("official", {}),
    "crema_d": ("speakers", {"n_folds": 5}),
    "emodb": ("speakers", {"n_folds": 6}),
}
"""The protocol by which each corpus's speakers are dealt to the folds, as `emotone train` deals them."""


def left_out(fold: int) -> set[str]:
    """Speakers that network ``fold`` (1 to 6) never hears, speaking or singing."""
    out: set[str] = set()
    for corpus in DEALT if fold else ():
        rows, folds = dealt(corpus)
        if fold <= len(folds):
            out |= set(rows["speaker"].iloc[folds[fold - 1][1]])
    return out | {name.replace("ravdess/", "ravdess_song/") for name in out}


@cache
def dealt(corpus: str) -> tuple[pd.DataFrame, Any]:
    """A corpus's table and its folds."""
    protocol, options = DEALT[corpus]
    experiment = Experiment(
        corpora={corpus: DATA / corpus}, labels=LABEL_SETS[corpus], protocol=protocol, protocol_options=options
    )
    rows = harmonise(corpora.load(corpus, DATA / corpus), LABEL_SETS[corpus]).table
    return rows, experiment.split(rows).folds


def train_one(name: str) -> None:
    """Train network ``name``; a checkpoint is written after each epoch, and a finished one is left alone."""
    path = WORK / f"{name}.npz"
    if path.exists():
        print(f"{name} is there")
        return
    plan = TRAININGS[name]
    table, signals = heard()
    used = table["corpus"].isin(plan.corpora) & ~table["speaker"].isin(left_out(plan.fold))
    used &= (table["speed"] == 1) | ~table["corpus"].isin(plan.once)
    rows = np.flatnonzero(used)
    reduced = Reduction.load(WORK / "reduction.npz")
    starts = _starts(table)
    said = _Some(np.load(WORK / "targets.npy", mmap_mode="r"), starts, reduced.spread, rows)
    emotions = [emotion if emotion in plan.labels else "" for emotion in table["emotion"].iloc[rows]]
    known = np.array([bool(emotion) for emotion in emotions])
    used_rows = table.iloc[rows]
    examples = Examples.of(
        signals[rows],
        emotions,
        plan.labels,
        corpora=used_rows["corpus"].to_numpy(),
        targets=said,
        speakers=np.where(known, used_rows["speaker"] + used_rows["speed"].map(" at {:g}".format), ""),
    )
    torch.manual_seed(0)
    net = Network(NetworkOptions(targets=N_TARGETS, **SHAPE), len(plan.labels))
    if plan.begin:
        begin = load_network(WORK / f"{plan.begin}.npz")[0]
        kept = {key: value for key, value in begin.state_dict().items() if key.startswith(("trunk.", "imitation."))}
        net.load_state_dict({**net.state_dict(), **kept})
    hours = table["samples"].iloc[rows].sum() / 16_000 / 3600
    print(f"{name}: {len(rows)} signals, {hours:.1f} h, {known.sum()} labelled", flush=True)
    options = TrainingOptions(epochs=plan.epochs, **dict(plan.loop))
    begun = time.time()

    def progress(done: int, total: int) -> None:
        if done % 200 == 0:
            print(f"{name}: step {done} of {total}, {(time.time() - begun) / 60:.1f} min", flush=True)

    trained = train(net, examples, options, checkpoint=WORK / f"{name}.checkpoint.npz", progress=progress)
    about = {"training": name, "minutes": (time.time() - begun) / 60, "history": trained.history}
    print(json.dumps(about), flush=True)
    save_network(path, trained.network, plan.labels, about)
    (WORK / f"{name}.checkpoint.npz").unlink()


class _Some(Targets):
    """Targets of some rows of the table, which share the frames."""

    def __init__(self, frames: np.ndarray, starts: np.ndarray, spread: np.ndarray, rows: np.ndarray) -> None:
        super().__init__(frames, starts, spread)
        object.__setattr__(self, "rows", rows)

    def __len__(self) -> int:
        return len(self.rows)  # type: ignore[attr-defined]

    def of(self, row: int, first: int, count: int) -> np.ndarray:
        return super().of(int(self.rows[row]), first, count)  # type: ignore[attr-defined]


# --- what a network makes of everybody ---


CONDITIONS: dict[str, dict[str, Any]] = {
    "telephone": {"kind": "telephone"},
    "opus16": {"kind": "codec", "coding": "opus", "kbps": 16},
    "babble10": {"kind": "babble", "snr_db": 10},
}
"""What RAVDESS goes through besides, where the network hasn't heard the speaker. Training meets none of these: its
telephones and voices are drawn, rough, and others."""

CHANGED = 0.5
"""Share of what heads are fitted to that is perturbed."""
N_SPOKEN, SPOKEN_SECONDS = 300, 5.0
"""How much of the unlabelled speech is heard besides, to tell how the labelled corpora differ from it."""


def embed(name: str) -> None:
    """Embeddings of every labelled utterance as it was recorded, by what network ``name`` imitates of its teacher."""
    path = WORK / f"{name}.embeddings.npz"
    if path.exists():
        print(f"{path.name} is there")
        return
    table, signals = heard()
    plan, begun = TRAININGS[name], time.time()
    net = as_stored(imitating(load_network(WORK / f"{name}.npz")[0]), STORAGE)
    rows = np.flatnonzero((table["speed"] == 1) & table["corpus"].isin(LABELLED))
    out = table["speaker"].iloc[rows].isin(left_out(plan.fold)) | ~table["corpus"].iloc[rows].isin(plan.corpora)
    found: dict[str, Any] = {"rows": rows, "unheard": (unheard := out.to_numpy())}
    found["embeddings"] = np.zeros((len(rows), net.options.embedding), np.float32)
    # Heads are fitted to what is quick to compute, half of it perturbed; who is tested is heard as a recogniser hears.
    fast = precision_of("auto", torch.device("cpu"))
    found["changed"] = changed = ~unheard & (np.random.default_rng(1).random(len(rows)) < CHANGED)
    for own, precision in ((unheard, torch.float32), (~unheard & ~changed, fast)):
        if own.any():
            found["embeddings"][own] = embeddings_of(net, signals[rows[own]], precision=precision)
    if changed.any():
        found["embeddings"][changed] = embeddings_of(net, Perturbed(signals[rows[changed]]), precision=fast)
    spoken = np.flatnonzero((table["corpus"] == SPOKEN) & (table["speed"] == 1))
    chosen = np.random.default_rng(0).permutation(spoken)[:N_SPOKEN]
    beginnings = [signals[int(row)][: round(SPOKEN_SECONDS * audio.SAMPLE_RATE)] for row in chosen]
    found["spoken"] = embeddings_of(net, beginnings, precision=fast)
    found["actors"] = actors = rows[found["unheard"] & (table["corpus"].iloc[rows] == "ravdess").to_numpy()]
    for condition, options in CONDITIONS.items() if plan.fold else ():
        transform = augment.get(options["kind"], **{key: value for key, value in options.items() if key != "kind"})
        through = [_changed(signals[int(row)], transform, int(row)) for row in actors]
        found[condition] = embeddings_of(net, through).astype(np.float32)
    np.savez(path, **found)
    print(f"{name}: {len(rows)} utterances in {time.time() - begun:.0f} s", flush=True)


def imitating(net: Network) -> Network:
    """The network with the embeddings that heads are fitted to; it has no labels yet."""
    blank = Head(np.zeros((1, 2 * net.options.targets)), np.zeros(1))
    return with_head(net, blank, [0])


class Perturbed:
    """Signals as training perturbs them, each the same every time. Sixteen go together, each other's voices."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.heard: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, row: int) -> np.ndarray:
        if not 0 <= row < len(self):
            raise IndexError(row)
        if row not in self.heard:
            self._hear(row // 16 * 16)
        return self.heard[row]

    def _hear(self, first: int) -> None:
        own = [as_float(self.signals[row]) for row in range(first, min(first + 16, len(self)))]
        longest = max(map(len, own))
        together = torch.from_numpy(np.stack([np.resize(signal, longest) for signal in own]))
        changed = perturb(together, np.random.default_rng([0, first]), HARD).numpy()
        for row, (signal, sound) in enumerate(zip(own, changed, strict=True), first):
            self.heard[row] = sound[: len(signal)]


def _changed(signal: np.ndarray, transform: Any, seed: int) -> np.ndarray:
    return np.asarray(transform(as_float(signal), np.random.default_rng(seed)), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("sounds", "reduction"):
        commands.add_parser(name)
    commands.add_parser("targets").add_argument("--part", default="0/1")
    for name in ("train", "embed"):
        commands.add_parser(name).add_argument("names", nargs="+", choices=list(TRAININGS))
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if given.command == "targets":
        targets(given.part)
    elif given.command in ("train", "embed"):
        for name in given.names:
            (train_one if given.command == "train" else embed)(name)
    else:
        globals()[given.command]()


if __name__ == "__main__":
    main()
