"""EmoFilm: clips of films in English and as dubbed into Italian and Spanish, five emotions."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from emotone.corpora.record import Corpus
from emotone.corpora.side_tables import read_rows

if TYPE_CHECKING:
    import pandas as pd

LEGEND = "f_m_corpus_it_es_en_legend.csv"


def extend(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the actors and dubbing actors, where the legend is."""
    rows = read_rows(root, LEGEND, ("file", "speaker"), title="EmoFilm")
    known = {row["file"]: " ".join(row["speaker"].lower().split()) for row in rows if row["speaker"].strip("? ")}
    if not known:
        return table
    names = [known.get(PurePosixPath(file).stem.removesuffix("_16k")) for file in table["file"]]
    speakers: list[Any] = [f"emofilm/{name}" if name else None for name in names]
    return table.assign(speaker=speakers)


CORPUS = Corpus(
    name="emofilm",
    title="EmoFilm",
    languages=("en", "it", "es"),
    licence="research only, signed form",
    commercial=False,
    citation=(
        "Parada-Cabaleiro E, Costantini G, Batliner A, Baird A, Schuller B (2018). Categorical vs Dimensional "
        "Perception of Italian Emotional Speech. Interspeech 2018: 3638-3642. doi:10.21437/Interspeech.2018-47"
    ),
    homepage="https://zenodo.org/records/7665999",
    obtain="Ask for access on the homepage; the owners send a licence agreement to sign.",
    example="f_ans001aen.wav",
    pattern=r"(?P<gender>[fm])_(?P<label>[a-z]{3})\d{3}[a-z](?P<language>en|es|it)(?:_16k)?",
    labels={
        "ans": "fearful",  # ansia
        "dis": "contemptuous",  # disprezzo
        "gio": "happy",
        "rab": "angry",
        "tri": "sad",
    },
    codes={"gender": {"f": "female", "m": "male"}},
    side_files={LEGEND: "speakers (save the two sheets of the owners' legend as one CSV)"},
    extend=extend,
    total=1_115,
    notes=(
        "The names don't tell who speaks; the legend does, and spells some people in two ways.",
        "One scene is there in up to three languages: keep the scenes together too, not only the speakers.",
        "Clips of films: music and noise come with the emotions. There is no neutral.",
        "The code dis is contempt in the owners' paper; some tools read it as disgust.",
    ),
)
