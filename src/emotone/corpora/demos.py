"""DEMoS: 68 Italian students in moods that films, music and recollection had put them into."""

from __future__ import annotations

from emotone.corpora.record import Corpus

CORPUS = Corpus(
    name="demos",
    title="DEMoS",
    languages=("it",),
    licence="research only, signed form",
    commercial=False,
    citation=(
        "Parada-Cabaleiro E, Costantini G, Batliner A, Schmitt M, Schuller BW (2020). DEMoS: an Italian emotional "
        "speech corpus: Elicitation methods, machine learning, and perception. Language Resources and Evaluation 54: "
        "341-383. doi:10.1007/s10579-019-09450-y"
    ),
    homepage="https://zenodo.org/records/2544829",
    obtain="Ask for access on the homepage; the owners send a licence agreement to sign.",
    example="DEMOS/PR_m_67_tri04c.wav",
    pattern=r"(?:(?:NP|PR)_)?(?P<gender>[fm])_(?P<speaker>\d\d)_(?P<label>[a-z]{3})\d\d[a-z]",
    labels={
        "col": "guilty",  # colpa
        "dis": "disgusted",
        "gio": "happy",
        "neu": "neutral",
        "pau": "fearful",
        "rab": "angry",
        "sor": "surprised",
        "tri": "sad",
    },
    codes={"gender": {"f": "female", "m": "male"}},
    total=9_697,
    n_speakers=68,
    notes=(
        "Neutral has 332 of 9,697 utterances: report class by class.",
        "Induced rather than acted. Names that start with PR are the 1,564 prototypical ones, those with NP the "
        "others; scores on either part and on the whole aren't comparable.",
    ),
)
