"""ESD: ten Mandarin and ten English speakers say 350 sentences each in five emotions, for voice conversion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emotone.corpora.reading import find_side_file
from emotone.corpora.record import Corpus, Folds
from emotone.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

LABELS = {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad", "Surprise": "surprised"}
MEN = {4, 5, 6, 8, 10, 11, 12, 13, 14, 20}
PEOPLE = {
    f"{number:04d}": {"gender": "male" if number in MEN else "female", "language": "zh" if number <= 10 else "en"}
    for number in range(1, 21)
}
# Each speaker's sentences are in a file of their own, and each file in an encoding of its own.
_ENCODINGS = ("utf-8-sig", "gb18030", "latin-1")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def extend(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the sentences, where the text files are; ``split`` only where the folders tell it."""
    said = {}
    for speaker in sorted(set(table["speaker"])):
        path = find_side_file(root, f"{speaker.removeprefix('esd/')}.txt")
        if path is not None:
            said.update(_sentences(path))
    if said:
        stem = table["file"].str.extract(r"([^/]+)\.[^./]+$")[0]
        table = table.assign(text=stem.map(said))
    return table.drop(columns="split") if table["split"].isna().all() else table


def _sentences(path: Path) -> dict[str, str]:
    """Utterance to sentence. A line holds both and the emotion, between tabs or, in a few lines, blanks."""
    rows = (line.replace("\t", " ").split(maxsplit=1) for line in _decoded(path).splitlines())
    parts = (row for row in rows if len(row) == 2)
    return {name: rest.rpartition(" ")[0].strip() if rest.split()[-1] in LABELS else rest for name, rest in parts}


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    for encoding in ("utf-16",) if raw.startswith(_BYTE_ORDER_MARKS) else _ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CorpusError(f"{path} isn't text in any encoding of ESD's; fetch it again or remove it.")


CORPUS = Corpus(
    name="esd",
    title="ESD",
    languages=("zh", "en"),
    licence="research only, signed form",
    commercial=False,
    citation=(
        "Zhou K, Sisman B, Liu R, Li H (2022). Emotional voice conversion: Theory, databases and ESD. Speech "
        "Communication 137: 1-18. doi:10.1016/j.specom.2021.11.006"
    ),
    homepage="https://github.com/HLTSingapore/Emotional-Speech-Data",
    obtain="Fill in the licence form on the homepage, send it to the owners, and download from their link.",
    example="0011/Angry/0011_000351.wav",
    pattern=(
        r"(?P<label>angry|happy|neutral|sad|surprise)/(?:(?P<split>train|evaluation|test)/)?(?P<speaker>00[012]\d)_\d{6}"
    ),
    labels=LABELS,
    codes={"split": {"evaluation": "dev"}},
    people=PEOPLE,
    side_files={"0001.txt": "text (each speaker's sentences are in a file of the speaker's number)"},
    extend=extend,
    counts=dict.fromkeys(LABELS, 7000),
    n_speakers=20,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="the folders train, evaluation and test of the owners' first release, by sentence",
            n_folds=1,
            disjoint=False,
            shared_speakers=(20, 20),
        ),
        "emobox": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162)",
            disjoint=None,
        ),
    },
    notes=(
        "All speakers of a language say the same 350 sentences in every emotion, so unseen speakers still say seen "
        "words, and a split by sentence shares every speaker.",
        "Two languages: a recogniser may learn which is which; report them apart too.",
        "Made for voice conversion: acted, read and clean.",
    ),
)
