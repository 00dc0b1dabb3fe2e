"""EMO-DB, the Berlin database: ten German actors say ten sentences in seven emotions; only well-recognised
takes."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

CORPUS = Corpus(
    name="emodb",
    title="EMO-DB",
    languages=("de",),
    licence="free (CC0 1.0 at audEERING)",
    commercial=True,
    citation=(
        "Burkhardt F, Paeschke A, Rolfes M, Sendlmeier WF, Weiss B (2005). A Database of German Emotional "
        "Speech. Interspeech 2005: 1517-1520. doi:10.21437/Interspeech.2005-446"
    ),
    homepage="http://emodb.bilderbar.info",
    archives=(Archive(url="http://emodb.bilderbar.info/download/download.zip", filename="emodb.zip"),),
    example="wav/03a01Fa.wav",
    pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<label>[A-Z])[a-z]?",
    labels={
        "W": "angry",  # Wut, Ärger
        "L": "bored",  # Langeweile
        "E": "disgusted",  # Ekel
        "A": "fearful",  # Angst
        "F": "happy",  # Freude
        "T": "sad",  # Trauer
        "N": "neutral",
    },
    codes={
        "text": {
            "a01": "Der Lappen liegt auf dem Eisschrank.",
            "a02": "Das will sie am Mittwoch abgeben.",
            "a04": "Heute abend könnte ich es ihm sagen.",
            "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
            "a07": "In sieben Stunden wird es soweit sein.",
            "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
            "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
            "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
            "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
            "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
        }
    },
    people={
        "03": {"gender": "male", "age": 31},
        "08": {"gender": "female", "age": 34},
        "09": {"gender": "female", "age": 21},
        "10": {"gender": "male", "age": 32},
        "11": {"gender": "male", "age": 26},
        "12": {"gender": "male", "age": 30},
        "13": {"gender": "female", "age": 32},
        "14": {"gender": "female", "age": 35},
        "15": {"gender": "male", "age": 25},
        "16": {"gender": "female", "age": 31},
    },
    counts={"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79},
    n_speakers=10,
    sample_rate=16_000,
    seconds=(1.225, 8.979),
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), five folds of rows",
            n_folds=5,
            disjoint=False,
            shared_speakers=(10, 10),
            instead="loso",
        )
    },
    notes=(
        "Of some 800 takes only those were published that listeners recognised in 80 % and found natural "
        "in 60 % of cases: scores flatter.",
        "All actors say the same ten sentences, so unseen speakers still say seen words.",
        "Ten speakers: report leave-one-speaker-out with its interval.",
        "A copy in circulation is cut to exactly 2.000 s at 22.05 kHz; the genuine recordings last 1.2 to 9.0 s.",
    ),
)
