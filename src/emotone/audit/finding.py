"""What an audit says: findings, worst first, and one line for beside a score."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["SEVERITIES", "Audit", "Finding", "Pair", "are", "percent", "share"]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Pair:
    """Two recordings with the same sound; ``similarity`` is that of `emotone.audit.alike.similarity`, from 0 to 1."""

    a: str
    b: str
    similarity: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd."""

    kind: str
    severity: Severity
    """``error``: makes a score wrong, or a recording useless; ``warning``: to be known; ``note``: for completeness."""
    message: str
    """What, how many, and what to do."""
    inflates: bool = False
    """Whether it makes a score higher than it would be on other people's voices."""
    brief: str = ""
    """``12 copies in train and test``, for the audit's one line; given where it ``inflates``."""
    files: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All findings, worst first."""

    n_recordings: int
    findings: tuple[Finding, ...]
    of_split: bool = False
    """Whether train and test sides were known, so that the findings are about one score."""

    @classmethod
    def of(cls, n_recordings: int, findings: Iterable[Finding], *, of_split: bool) -> Audit:
        """With the ``findings`` in order: what inflates first, then by severity."""
        ordered = sorted(findings, key=lambda each: (not each.inflates, SEVERITIES.index(each.severity)))
        return cls(n_recordings, tuple(ordered), of_split)

    @property
    def inflates(self) -> bool:
        """Whether anything found makes a score too high."""
        return any(finding.inflates for finding in self.findings)

    @property
    def line(self) -> str:
        """``Audit of 1,440 recordings: this score is inflated by speakers in train and test``"""
        of = f"Audit of {self.n_recordings:,} recording{'s' * (self.n_recordings != 1)}"
        if self.inflates:
            causes = "; ".join(finding.brief or finding.kind for finding in self.findings if finding.inflates)
            return f"{of}: {'this score is' if self.of_split else 'a score would be'} inflated by {causes}"
        counts = {what: sum(finding.severity == what for finding in self.findings) for what in SEVERITIES}
        told = ", ".join(f"{n} {what}{'s' * (n > 1)}" for what, n in counts.items() if n)
        verb = "inflates this score" if self.of_split else "would inflate a score"
        return f"{of}: nothing found that {verb}" + (f" ({told})" if told else "")

    def as_dict(self) -> dict[str, Any]:
        """The audit as plain data, for JSON."""
        return {
            "inflates": self.inflates,
            "line": self.line,
            "n_recordings": self.n_recordings,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``audit.json`` into ``folder``, which is returned."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        document = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "audit.json").write_text(document + "\n", "utf-8")
        return folder


def are(n: int, noun: str) -> str:
    """``1 recording is``, ``1,440 recordings are``."""
    return f"{n:,} {noun} is" if n == 1 else f"{n:,} {noun}s are"


def share(part: int, whole: int) -> str:
    """``12 of 1,440 (0.8 %)``"""
    return f"{part:,} of {whole:,} ({percent(part, whole)})"


def percent(part: int, whole: int) -> str:
    """``0.8 %``, ``12 %``"""
    number = 100 * part / whole if whole else 0.0
    return f"{number:.{0 if number >= 10 or number == 0 else 1}f} %"
