"""The sections that say where a run comes from: data and licences, how to run it again, what the words mean."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from emotone import __version__
from emotone.errors import EmotoneError
from emotone.report._html import Child, Column, Html, definitions, join, p, table, tag
from emotone.report._run import Run
from emotone.report._scores import Section

_USE = {True: "allowed", False: "not allowed", None: "not clear"}


# --- data and licences ---


def commercial(run: Run) -> bool | None:
    """Whether all that went in allows commercial use; None where that isn't clear."""
    allowed = [corpus["commercial"] for corpus in run.corpora]
    if False in allowed or frontend_licence(run) or _model_licence(run):
        return False
    return None if None in allowed or not allowed else True


def frontend_licence(run: Run) -> str:
    """What the licence of the features forbids; nothing for most."""
    if run.recogniser is not None:
        return str(run.recogniser.get("frontend_licence") or "")
    from emotone import features

    described = dict(run.protocol.get("frontend") or {})
    with contextlib.suppress(EmotoneError):
        return str(getattr(features.from_description(described), "licence_note", ""))
    with contextlib.suppress(EmotoneError):  # it was another version
        return str(getattr(features.get(described.get("name", "")), "licence_note", ""))
    return ""  # it needs a package that isn't here


def _model_licence(run: Run) -> str:
    """What the licence of an encoder inside the model forbids; nothing for most."""
    return str(((run.recogniser or {}).get("model") or {}).get("licence_note") or "")


def licence_sentence(run: Run) -> Html:
    """What may be done with what was trained on this data, in a sentence."""
    use = commercial(run)
    if use:
        return p("Everything this was made from allows commercial use.")
    if use is None:
        return p("The corpora don't say clearly whether commercial use is allowed: ask their owners before any.")
    causes = [f"{corpus['title']} ({corpus['licence']})" for corpus in run.corpora if corpus["commercial"] is False]
    if frontend_licence(run):
        causes.append(f"the features {run.protocol['frontend']['name']} ({frontend_licence(run)})")
    if _model_licence(run):
        causes.append(f"the model {run.protocol['model']['name']} ({_model_licence(run)})")
    return p(
        tag("strong", "Not for commercial use"),
        f", because of {', '.join(causes)}. A recogniser trained so isn't either.",
    )


def data(run: Run) -> Section:
    """The corpora, their licences, and what they ask to be cited."""
    counts = run.result.table.drop_duplicates(["corpus", "file", "start"]).groupby("corpus").size()
    speakers = run.result.table.groupby("corpus")["speaker"].nunique()
    columns = [
        Column("corpus"),
        Column("recordings", "number"),
        Column("speakers", "number"),
        Column("licence", "long"),
        Column("commercial use", "number"),
    ]
    rows: list[list[Child]] = [
        [
            _link(corpus),
            f"{int(counts.get(corpus['name'], 0)):,}",
            str(int(speakers.get(corpus["name"], 0)) or "–"),
            corpus["licence"] or "not stated",
            _USE[corpus["commercial"]],
        ]
        for corpus in run.corpora
    ]
    cited = [corpus["citation"] for corpus in run.corpora if corpus["citation"]]
    body = [
        licence_sentence(run),
        table(columns, rows, caption="Corpora tested on, and their licences"),
        [tag("h3", "Please cite"), tag("ul", *(tag("li", one) for one in cited))] if cited else None,
        p(
            "Corpora of emotional speech are mostly acted. A score on actors isn't a score on ordinary talk, and what "
            "a voice sounds like isn't what a person feels.",
            class_="note",
        ),
    ]
    return Section("data", "Data and licences", join(body))


def _link(corpus: Mapping[str, Any]) -> Child:
    homepage = str(corpus["homepage"] or "")
    if homepage.startswith(("http://", "https://")):
        return tag("a", corpus["title"], href=homepage, rel="noreferrer")
    return str(corpus["title"])


# --- how to run it again ---


def again(run: Run) -> Section:
    """The commands, and what has to be equal for equal numbers."""
    command, experiment = rerun(run.protocol)
    protocol = run.protocol
    versions = ", ".join(f"{name} {version}" for name, version in (protocol.get("versions") or {}).items())
    body = [
        p(
            "Put your folder in the place of FOLDER. Equal experiments give equal numbers, to the last digit, with the "
            "versions below."
        ),
        [p("experiment.toml:"), tag("pre", tag("code", experiment))] if experiment else None,
        tag("pre", tag("code", command)),
        p("Then this page:"),
        tag("pre", tag("code", "emotone report RUN")),
        definitions(
            {
                "features": _described(protocol.get("frontend")),
                "model": _described(protocol.get("model")),
                "seed": str(protocol.get("seed", "not recorded")),
                "versions": versions or "not recorded",
                "folds, SHA-256": tag("code", str(protocol.get("split_sha256") or "not recorded")),
                "features' values, SHA-256": tag("code", str(protocol.get("data_sha256") or "not recorded")),
                "page written by": f"emotone {__version__}",
            }
        ),
    ]
    return Section("again", "How to run it again", join(body))


def rerun(protocol: Mapping[str, Any]) -> tuple[str, str]:
    """The command that repeats a run, and the experiment file it needs; empty where the command says it all."""
    corpora = " ".join(f"--corpus {name}=FOLDER" for name in protocol["corpora"])
    model, split = dict(protocol.get("model") or {}), dict(protocol.get("protocol") or {})
    folds = split.get("n_folds")
    if set(model) <= {"name"} and set(split) <= {"name", "n_folds"} and _is_plain(protocol):
        label_set = protocol["label_set"]
        words = ["emotone train", corpora]
        words.append(f"--labels {label_set if isinstance(label_set, str) else ','.join(label_set)}")
        for option, part in (("frontend", protocol.get("frontend")), ("model", model), ("protocol", split)):
            if part and part.get("name"):
                words.append(f"--{option} {part['name']}")
        if folds is not None:
            words.append(f"--folds {folds}")
        return " ".join([*words, f"--seed {protocol.get('seed', 0)}", "-o RUN"]), ""
    frontend = {key: value for key, value in (protocol.get("frontend") or {}).items() if key != "version"}
    keys = {
        "corpora": list(protocol["corpora"]),
        "targets": list(protocol.get("targets") or []) or None,
        "labels": None if protocol.get("targets") else protocol["label_set"],
        "seed": protocol.get("seed", 0),
        "frontend": frontend or None,
        "model": model or None,
        "protocol": split or None,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in keys.items() if value is not None]
    return f"emotone train experiment.toml {corpora} -o RUN", "\n".join(lines)


def _is_plain(protocol: Mapping[str, Any]) -> bool:
    """Whether the features have only default options, and emotions were predicted."""
    from emotone import features

    described = protocol.get("frontend") or {}
    if protocol.get("targets") or not described.get("name"):
        return False
    try:
        return features.describe(features.get(described["name"])) == dict(described)
    except EmotoneError:
        return False


def _toml(value: Any) -> str:
    """JSON's strings, numbers and lists are TOML's; only dicts differ."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items() if one is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _described(part: Mapping[str, Any] | None) -> str:
    options = ", ".join(f"{key} {value}" for key, value in (part or {}).items() if key != "name")
    name = str((part or {}).get("name", "not recorded"))
    return f"{name} ({options})" if options else name


# --- words ---

_WORDS = {
    "UAR": "Unweighted average recall: the share recognised of each emotion, averaged over the emotions, so that rare "
    "ones count as much as common ones. Guessing gets one over their number. An emotion nobody truly had is left out.",
    "WA": "Weighted accuracy: the share of all recordings answered rightly. High by itself where one emotion is "
    "common.",
    "macro-F1": "For each emotion the harmonic mean of recall and precision, averaged over the emotions.",
    "95 % interval": "Where the score would lie for other speakers like these. It comes from how much the speakers "
    "differ, because the recordings of one resemble each other. It doesn't cover other languages, rooms or ways of "
    "speaking.",
    "speakers unseen": "Nobody who was tested had been trained on: the score holds for new people.",
    "speakers shared": "The same people were trained and tested on: the score holds for them alone, and flatters.",
    "confidence": "The probability the recogniser gives its answer.",
    "ECE": "Expected calibration error: the mean distance between confidence and the share of right answers. 0 is "
    "perfect.",
    "NLL and Brier": "Scores of the probabilities themselves, lower is better: negative log-likelihood in nats, and "
    "the squared error summed over the emotions (0 to 2).",
    "risk and coverage": "If only the surest part is answered (coverage), the share of wrong answers in it is the "
    "risk.",
    "conformal set": "The emotions that can't be excluded, chosen so that the true one is among them in the stated "
    "share of recordings.",
    "CCC": "Concordance correlation coefficient, −1 to 1: correlation that also asks for the right level and spread.",
}


def words(*, without: Sequence[str] = (), numbers: bool = False) -> Section:
    """The glossary; ``numbers`` for runs that predict numbers."""
    left_out = {*without, *(() if numbers else ("CCC",))}
    if numbers:
        left_out |= set(_WORDS) - {"95 % interval", "speakers unseen", "speakers shared", "CCC"}
    shown: dict[str, Child] = {word: meaning for word, meaning in _WORDS.items() if word not in left_out}
    return Section("words", "What the words mean", tag("div", definitions(shown), class_="glossary"))
