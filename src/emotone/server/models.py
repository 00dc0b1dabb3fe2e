"""The recognisers that are served, and what is told about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from emotone import labels, recogniser
from emotone.errors import ConfigError
from emotone.recogniser import Recogniser
from emotone.server.refusal import Refusal
from emotone.server.settings import Settings

__all__ = ["Models"]

_TOLD = ("What to expect", "What it must not be used for", "Licence")
"""Sections of a card that people should see who never look for it."""


class Models:
    """Recognisers by their names, each once in memory."""

    def __init__(self, settings: Settings) -> None:
        """Loads all of them. Raises `RecogniserError` for one that can't be, `ConfigError` for two of one name, and
        `MissingExtra` where the package that finds speech isn't installed."""
        self._all: dict[str, Recogniser] = {}
        for given in settings.models:
            name = given if given in recogniser.names() else Path(given).resolve().name
            if name in self._all:
                raise ConfigError(f"Two recognisers are called {name!r}. Rename the folder of one.")
            self._all[name] = recogniser.load(given)
        self.default = next(iter(self._all))
        self._all[self.default].stream()  # what is missing for timelines is told now, and not to the first who asks

    @property
    def names(self) -> list[str]:
        """In the order of the settings."""
        return list(self._all)

    def get(self, name: str | None) -> Recogniser:
        """The one called ``name``; without a name, the default. Raises `Refusal` with 404 for another one."""
        found = self._all.get(name or self.default)
        if found is None:
            raise Refusal(404, f"There is no such recogniser here; there are: {', '.join(self._all)}.")
        return found

    def warm_up(self) -> None:
        """Have each hear something, so that the first request waits for nothing."""
        import numpy as np

        noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
        for each in self._all.values():
            each.predict(noise)
            stream = each.stream()
            stream.feed(noise)
            stream.flush()

    def as_dict(self) -> dict[str, Any]:
        """What ``GET /v1/models`` answers."""
        return {"default": self.default, "models": [_told(name, each) for name, each in self._all.items()]}


def _told(name: str, each: Recogniser) -> dict[str, Any]:
    return {
        "name": name,
        "labels": list(each.labels),
        "dimensions": {name: list(span) for name, span in each.dimensions.items()},
        "licence": each.config["licence"] or "",
        "commercial": each.commercial,
        "adapts": each.can_adapt,
        "colours": {emotion: labels.colour(emotion) for emotion in each.labels},
        "limits": "\n\n".join(filter(None, (_section(each.card, title) for title in _TOLD))),
    }


def _section(card: str, title: str) -> str:
    """A section of a card, with its heading; empty where there is none."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, flags=re.MULTILINE | re.DOTALL)
    return f"{title}\n\n{found.group(1).strip()}" if found else ""
