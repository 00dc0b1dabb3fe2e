"""What a recogniser says about itself to people, written from its configuration and nothing else.

`write_card` gives ``card.md`` in the form Hugging Face reads: a YAML header, then Markdown. `as_html` is the
short form for notebooks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from emotone.labels import colour
from emotone.metrics import NAMES, format_score

__all__ = ["as_html", "licence_in_words", "utterances", "write_card"]

# Hugging Face's identifiers of the licences that corpora and recognisers commonly have.
_LICENCE_IDS = {
    "mit": "mit",
    "apache 2.0": "apache-2.0",
    "cc0 1.0": "cc0-1.0",
    "cc by 4.0": "cc-by-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc by-nc-sa 4.0": "cc-by-nc-sa-4.0",
    "odbl 1.0": "odbl",
}

_FREE_IDS = {"mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "odbl"}
"""Those that allow commercial use."""

_METRIC_IDS = {"uar": "recall", "war": "accuracy", "macro_f1": "f1", "ece": "ece", "ccc": "ccc"}
"""Hugging Face's identifiers of our scores, as far as it has them."""

_METRIC_ARGS = {"uar": {"average": "macro"}, "macro_f1": {"average": "macro"}}

_LIMITS = """\
Corpora of emotional speech are mostly acted. Actors show an emotion more strongly than people do from day
to day, so expect it to be right less often on ordinary speech than above: published models lose about half of
their score there, and this one is unproven. A microphone and a room it hasn't met may cost as much. It hears
how something is said, in voices and languages like those it was trained on: not the words, and not what a
person feels. Noise, telephones, children, illness and other languages were not tested unless a line above says so.
"""

_LEGEND = """\
UAR is the mean, over the emotions, of the share recognised: guessing gets one over their number. In brackets
is the 95 % interval over speakers. A line that says *speakers shared* was tested on voices it had trained on,
and flatters.
"""

_DIMENSIONS_LEGEND = """\
CCC (concordance) is 1 where predictions equal the ratings and 0 where they have nothing to do with them. In brackets
is the 95 % interval over speakers. A line that says *speakers shared* was tested on voices it had trained on, and
flatters.
"""

_NOT_FOR = """\
- **Workplaces and schools.** Inferring the emotions of people there is prohibited in the European Union,
  except for medical or safety reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f)). Elsewhere
  in the Union, the people concerned must be told that emotion recognition is in use (Article 50(3)).
- **Decisions about a person**: hiring, grading, credit, insurance, policing, border control, or access to
  anything.
- **Lie detection, diagnosis or therapy.** It measures neither truthfulness nor health.
- **People who don't know of it** or couldn't refuse.
"""


def write_card(config: Mapping[str, Any]) -> str:
    """The card of a recogniser, Markdown with a YAML header, from its configuration alone."""
    frontend = config["frontend"]
    features = f"`{frontend['name']}`, version {frontend['version']}{_options(frontend)}"
    return "\n".join(
        [
            _header(config),
            f"# {config['name']}\n",
            f"Recognises emotion in speech. {_purpose(config)}{_who_speaks(config)}\n",
            f"Features: {features}. Model: {_model(config)}. Saved by emotone {config['emotone']}.\n",
            _USAGE,
            "## Trained on\n",
            _corpora(config["corpora"]),
            "## How it was scored\n",
            _scores(config["scores"], _DIMENSIONS_LEGEND if config.get("dimensions") else _LEGEND),
            "## What to expect\n",
            _LIMITS,
            "## What it must not be used for\n",
            _NOT_FOR,
            "## Licence\n",
            licence_in_words(config) + "\n",
            *_citations(config["corpora"]),
        ]
    )


def _options(frontend: Mapping[str, Any]) -> str:
    """`` (encoder openai/whisper-base, layer 4, licence mit)``; nothing where there are none, or all are empty."""
    given = [f"{key} {value}" for key, value in frontend.items() if key not in ("name", "version") and value != ""]
    return f" ({', '.join(given)})" if given else ""


def _purpose(config: Mapping[str, Any]) -> str:
    if config.get("dimensions"):
        return (
            f"It gives numbers for {_dimensions(config)}: each on the scale of the corpora it was trained on, whose "
            "lowest and highest ratings these are, and never outside them. It names no emotions. When nobody "
            "speaks in a recording, or it is too short, it says so."
        )
    labels, below = ", ".join(config["labels"]), config["abstain_below"]
    abstains = f"when its confidence is below {100 * below:.0f} %, or " if below else ""
    return (
        f"It chooses among {labels}; {abstains}when a recording is too short, it says that it can't tell, and where "
        "nobody speaks, it says that."
        f"{_sets(config)}"
    )


def utterances(count: int) -> str:
    """``1 utterance``, ``5 utterances``"""
    return f"{count} utterance{'s' if count != 1 else ''}"


def _who_speaks(config: Mapping[str, Any]) -> str:
    """What it knows, or could, of the speaker; nothing if neither."""
    if "speaker" in config:
        return (
            f" It knows one speaker, from {utterances(config['speaker']['count'])}, and judges everybody by that voice."
            " Its configuration keeps a description of the voice: treat it as personal data."
        )
    if "adaptation" in config:
        return (
            " It can get to know a speaker from a few recordings without labels, and then judges by that voice: "
            "`recogniser.adapt([...])`."
        )
    return ""


def _sets(config: Mapping[str, Any]) -> str:
    """What the sets of likely emotions promise, if it gives any."""
    if "conformal" not in config:
        return ""
    share = f"{100 * config['conformal']['level']:g} %"
    return (
        f" Beside that it lists the emotions that can't be ruled out: for {share} of the utterances of speakers it "
        "hasn't heard, such a list holds the true one, as far as they speak like those it was trained on."
    )


def _dimensions(config: Mapping[str, Any]) -> str:
    """``arousal (1 to 7) and valence (1.2 to 6.8)``"""
    *first, last = [f"{each['name']} ({each['low']:g} to {each['high']:g})" for each in config["dimensions"]]
    return f"{', '.join(first)} and {last}" if first else last


_USAGE = """\
```python
import emotone

recogniser = emotone.load("path/to/this/folder")
recogniser.predict("speech.wav")
```
"""


def licence_in_words(config: Mapping[str, Any]) -> str:
    """The licence and its consequence, in a few sentences."""
    own = f"{config['licence']}." if config["licence"] else "No licence of its own was recorded."
    if config["commercial"]:
        return f"{own} Everything it was made from allows commercial use."
    if config["commercial"] is None:
        return f"{own} The corpora it was trained on don't say clearly whether commercial use is allowed: ask."
    causes = [f"{_title(c)} ({c['licence']})" for c in config["corpora"] if c["commercial"] is False]
    if config["frontend_licence"]:
        causes.append(f"the features {config['frontend']['name']} ({config['frontend_licence']})")
    if config["model"].get("licence_note"):
        causes.append(f"the model {config['model'].get('name', '')} ({config['model']['licence_note']})")
    return f"{own} **Not for commercial use**, because of {', '.join(causes)}. emotone's own code is under MIT."


def _header(config: Mapping[str, Any]) -> str:
    licence = config["licence"] or "see the section Licence"
    identifier = _LICENCE_IDS.get(licence.lower(), "other")
    if config["commercial"] is False and identifier in _FREE_IDS:
        # A filter for free models must not find one that its corpora keep from being free.
        identifier, licence = "other", f"{licence}, not for commercial use"
    languages = sorted({name for corpus in config["corpora"] for name in corpus.get("languages") or []})
    lines = [f"license: {identifier}"]
    if identifier == "other":
        lines.append(f"license_name: {_quoted(licence)}")
    lines += _yaml_list("language", languages)
    lines += ["library_name: emotone", "pipeline_tag: audio-classification"]
    tags = ["speech-emotion-recognition", "speech", "emotion", "audio", "onnx"]
    lines += _yaml_list("tags", [*tags, *["non-commercial"] * (config["commercial"] is False)])
    lines += _yaml_list("datasets", [corpus["name"] for corpus in config["corpora"]])
    known = [*NAMES, "ccc"]
    lines += _yaml_list("metrics", [name for name in known if any(name in score for score in config["scores"])])
    return "\n".join(["---", *lines, *_model_index(config), "---", ""])


def _model_index(config: Mapping[str, Any]) -> list[str]:
    """The scores as Hugging Face's ``model-index``, which its pages and tools read: a result for each line of scores.

    The data set's name carries the protocol, because a page shows nothing else beside the number. JSON is YAML.
    """
    titles = {corpus["name"]: _title(corpus) for corpus in config["corpora"]}
    results = [found for score in config["scores"] if (found := _indexed(score, titles))]
    if not results:
        return []
    return [f"model-index: {json.dumps([{'name': config['name'], 'results': results}], ensure_ascii=False)}"]


def _indexed(score: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any] | None:
    """One result of the ``model-index``; None for a score of which only the line is known."""
    given: dict[str, Any] = {name: score[name] for name in _METRIC_IDS if isinstance(score.get(name), Mapping)}
    for target, own in (score.get("per_target") or {}).items():
        given |= {f"ccc {target}": own["ccc"]}
    known = {name: each for name, each in given.items() if each.get("value") is not None}
    condition = str(score.get("condition", ""))
    corpora = condition.partition(" ")[0].split("+")
    if not known or not condition:
        return None
    named = " and ".join(titles.get(name, name) for name in corpora)
    return {
        "task": {"type": "audio-classification", "name": "speech emotion recognition"},
        "dataset": {"type": "+".join(corpora), "name": f"{named} ({condition.partition(' ')[2]})"},
        "metrics": [
            {
                "type": _METRIC_IDS.get(name, "ccc"),
                "value": round(each["value"], 4),
                "name": _metric_name(name, each),
                **({"args": _METRIC_ARGS[name]} if name in _METRIC_ARGS else {}),
            }
            for name, each in known.items()
        ],
    }


def _metric_name(name: str, score: Mapping[str, Any]) -> str:
    """``UAR, 95 % interval 0.59 to 0.69``"""
    shown = NAMES.get(name) or name.replace("ccc", "CCC")
    low, high = score.get("low"), score.get("high")
    return shown if low is None or high is None else f"{shown}, 95 % interval {low:.2f} to {high:.2f}"


def _yaml_list(key: str, values: Any) -> list[str]:
    items = [f"- {_quoted(value)}" for value in values]
    return [f"{key}:", *items] if items else []


def _quoted(value: object) -> str:
    """A JSON string, which YAML reads as a string whatever it holds (``no`` is a language, not false)."""
    return json.dumps(str(value), ensure_ascii=False)


def _corpora(corpora: Sequence[Mapping[str, Any]]) -> str:
    if not corpora:
        return "Not recorded.\n"
    use = {True: "allowed", False: "not allowed", None: "not clear"}
    lines = ["| corpus | utterances | speakers | licence | commercial use |", "|---|--:|--:|---|---|"]
    for corpus in corpora:
        title = _cell(_title(corpus))
        if corpus.get("homepage"):
            title = f"[{title}]({corpus['homepage']})"
        numbers = [f"{n:,}" if (n := corpus.get(key)) else "?" for key in ("n_utterances", "n_speakers")]
        cells = [title, *numbers, _cell(corpus["licence"] or "not stated"), use[corpus["commercial"]]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _title(corpus: Mapping[str, Any]) -> str:
    return str(corpus.get("title") or corpus["name"])


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _scores(scores: Sequence[Mapping[str, Any]], legend: str) -> str:
    if not scores:
        return "No score was recorded: find out how good it is before you rely on it.\n"
    lines = [f"- {' '.join(score['line'].split())}{_other_metrics(score)}" for score in scores]
    return "\n".join([*lines, "", legend])


def _other_metrics(score: Mapping[str, Any]) -> str:
    """Under the printed line, with the same protocol: what it doesn't say itself."""
    others = [
        format_score(name, value["value"], value.get("low"), value.get("high"))
        for name in NAMES
        if isinstance(value := score.get(name), dict) and not score["line"].startswith(NAMES[name])
    ]
    others += [
        f"{format_score(name.upper(), value['value'], value['low'], value['high'])} {target}"
        for target, own in score.get("per_target", {}).items()
        for name, value in own.items()
        if name in ("ccc", "rmse") and value["value"] is not None
    ]
    return f"  \n  {', '.join(others)}" if others else ""


def _model(config: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in config["model"].items() if key not in ("name", "licence_note")}
    options = ", ".join(f"{key} {value}" for key, value in shown.items())
    name = config["model"].get("name", "not named")
    return f"{name} ({options})" if options else str(name)


def _citations(corpora: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"- {' '.join(str(corpus['citation']).split())}" for corpus in corpora if corpus.get("citation")]
    return ["## Please cite the corpora\n", *lines, ""] if lines else []


# --- notebooks ---


def as_html(config: Mapping[str, Any], card: str) -> str:
    """Facts, scores and licence at a glance, with the whole ``card`` folded away below."""
    dot = '<span style="color:{};white-space:nowrap">● {}</span>'
    facts = {
        "emotions": " ".join(dot.format(colour(label), escape(label)) for label in config["labels"]),
        "dimensions": escape(_dimensions(config)) if config.get("dimensions") else "",
        "can't tell": f"below {100 * config['abstain_below']:.0f} %" if config["abstain_below"] else "",
        "likely": _sets(config).strip(),
        "speaker": escape(_who_speaks(config).strip().replace("`", "")),
        "features": escape(config["frontend"]["name"]),
        "model": escape(_model(config)),
        "trained on": escape(", ".join(_title(corpus) for corpus in config["corpora"])),
        "scores": "<br>".join(escape(score["line"]) for score in config["scores"]) or "none recorded",
        "licence": escape(licence_in_words(config).replace("**", "")),
    }
    cell = "border:0;text-align:left;vertical-align:top;padding:1px 12px 1px 0"
    rows = "".join(
        f'<tr style="background:none"><td style="{cell};opacity:.65;white-space:nowrap">{name}</td>'
        f'<td style="{cell}">{fact}</td></tr>'
        for name, fact in facts.items()
        if fact
    )
    return (
        '<div style="max-width:46em;line-height:1.4">'
        f'<b style="font-size:1.35em">{escape(config["name"])}</b>'
        f'<table style="border-collapse:collapse;margin:.3em 0">{rows}</table><details>'
        f'<summary>The whole card</summary><pre style="white-space:pre-wrap">{escape(card)}</pre>'
        "</details></div>"
    )
