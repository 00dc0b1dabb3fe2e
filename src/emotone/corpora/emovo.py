"""EMOVO: six Italian actors say fourteen sentences, five of them without meaning, in seven emotions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from emotone.corpora.record import Corpus, Folds

LABELS = {
    "dis": "disgusted",  # disgusto
    "gio": "happy",  # gioia
    "neu": "neutral",  # neutrale
    "pau": "fearful",  # paura
    "rab": "angry",  # rabbia
    "sor": "surprised",  # sorpresa
    "tri": "sad",  # tristezza
}
SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato ... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
PEOPLE = {
    "f1": {"gender": "female", "age": 28},
    "f2": {"gender": "female", "age": 23},
    "f3": {"gender": "female", "age": 25},
    "m1": {"gender": "male", "age": 30},
    "m2": {"gender": "male", "age": 27},
    "m3": {"gender": "male", "age": 30},
}


def plan(root: Path) -> Iterator[str]:
    return ("-".join(parts) for parts in product(LABELS, PEOPLE, SENTENCES))


CORPUS = Corpus(
    name="emovo",
    title="EMOVO",
    languages=("it",),
    licence="none stated",
    commercial=None,
    citation=(
        "Costantini G, Iaderola I, Paoloni A, Todisco M (2014). EMOVO Corpus: an Italian Emotional Speech "
        "Database. LREC 2014: 3501-3504."
    ),
    homepage="http://voice.fub.it/activities/corpora/emovo/index.html",
    obtain=(
        "Download EMOVO.zip from the homepage; where that doesn't answer, ask the authors of the paper "
        "(http://www.lrec-conf.org/proceedings/lrec2014/summaries/591.html)."
    ),
    example="f1/dis-f1-b1.wav",
    pattern=r"(?P<label>[a-z]{3})-(?P<speaker>[fm]\d)-(?P<text>[a-z]\d)",
    labels=LABELS,
    codes={"text": SENTENCES},
    people=PEOPLE,
    folder=r"(?P<speaker>[fm]\d)",
    counts=dict.fromkeys(LABELS, 84),
    n_speakers=6,
    plan=plan,
    sample_rate=48_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), six folds of one speaker",
            test_speakers=tuple((f"emovo/{speaker}",) for speaker in PEOPLE),
        )
    },
    notes=(
        "Six speakers: report leave-one-speaker-out with its interval.",
        "All actors say the same fourteen sentences, so unseen speakers still say seen words.",
        "Three of the sentences (b1, b3, l4) are also in Emozionalmente: scores across the two corpora aren't "
        "independent of the words.",
        "The licence is unverified; a secondary list says CC BY-NC-SA 4.0.",
    ),
)
