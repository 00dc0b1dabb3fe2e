"""VIVAE: screams, laughs, moans and the like, without words, in six affects and four intensities."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus

CORPUS = Corpus(
    name="vivae",
    title="VIVAE",
    languages=("zxx",),  # ISO 639's code for no language at all
    licence="CC BY-NC-SA, access restricted",
    commercial=False,
    may_be_shared=False,
    citation=(
        "Holz N, Larrouy-Maestri P, Poeppel D (2022). The variably intense vocalizations of affect and emotion "
        "(VIVAE) corpus prompts new perspective on nonspeech perception. Emotion 22(1): 213-225. "
        "doi:10.1037/emo0001048"
    ),
    homepage="https://zenodo.org/records/4066235",
    archives=(Archive(url="https://zenodo.org/records/4066235/files/VIVAE.zip?download=1", filename="VIVAE.zip"),),
    obtain="Should the download be refused, ask for access on the homepage.",
    example="full_set/S05_anger_moderate_01.wav",
    pattern=r"(?P<speaker>S\d\d)_(?P<label>[a-z]+)_(?P<intensity>low|moderate|strong|peak)_\d+",
    labels={
        "achievement": "achievement",
        "anger": "angry",
        "fear": "fearful",
        "pain": "pain",
        "pleasure": "pleasure",
        "surprise": "surprised",
    },
    total=1_085,
    n_speakers=11,
    notes=(
        "Not speech: only three of the six affects are emotions of emotone's label sets, and a recogniser of speech "
        "scored here is asked something else.",
        "The folder core_set repeats 480 files of full_set; the reader keeps one of each.",
    ),
)
