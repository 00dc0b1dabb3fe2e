"""Models: scikit-learn estimators that turn features into calibrated probabilities, or into numbers.

================  ======================================================================================
name              what it is
================  ======================================================================================
``logistic``      rank-normalised features, multinomial logistic regression, strength chosen by speaker
``svm``           rank-normalised features, support vector machine (RBF), one machine for each pair
``mlp``           rank-normalised features, one hidden layer, a sane default
``tutorial_mlp``  the tutorial's `sklearn.neural_network.MLPClassifier`, to the letter; ``scaler=True`` adds
                  the standardisation it lacks
``ridge``         for targets (arousal, ...): rank-normalised features, linear regression, penalty by speaker
``svr``           for targets: rank-normalised features, support vector regression (RBF)
``network``       from the waveform: log-mel, convolution and attention, statistics; needs the extra ``deep``
``finetune``      from the waveform: a published speech encoder, frozen or trained on; needs the extra ``deep``
================  ======================================================================================

``ridge`` and ``svr`` predict numbers: ``fit(X, y)`` with ``y (n, k)``, and ``predict(X)``
(`emotone.models.regression.SpeakerRegressor`). The first three weigh all emotions alike, however many rows they have,
and choose and calibrate inside the training speakers (`emotone.models.calibration.CalibratedClassifier`). Every ``fit``
takes the speakers as ``groups``. Packages add models by the entry point group ``emotone.models``
(`emotone.plugins`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral
from typing import Any

from emotone import plugins
from emotone.errors import ConfigError, require, unknown

__all__ = ["ENTRY_POINTS", "REGRESSORS", "added", "get", "names"]

ENTRY_POINTS = "emotone.models"
"""The entry point group under which other packages register models: functions of ``seed`` and their own options."""

REGRESSORS = ("ridge", "svr")
"""The models that predict numbers in place of emotions."""

_BUILT_IN = ("logistic", "svm", "mlp", "tutorial_mlp", *REGRESSORS, "network", "finetune")


def names() -> tuple[str, ...]:
    """The names of the models, built-in ones first."""
    return (*_BUILT_IN, *plugins.installed(ENTRY_POINTS, _BUILT_IN))


def added() -> list[plugins.Plugin]:
    """What other packages offer as models, whether or not it can be used."""
    return plugins.found(ENTRY_POINTS, _BUILT_IN)


def get(name: str, *, seed: int = 0, **options: Any) -> Any:
    """The unfitted model ``name`` with its ``options``; ``seed`` (0 to 2**32 - 1) feeds whatever it draws.

    Raises `ConfigError` for an unknown name or option or a value that can't be used, `MissingExtra` without
    scikit-learn.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ConfigError(f"The seed of model {name!r} must be a whole number from 0 to {2**32 - 1}, not {seed!r}.")
    make = _maker(name)
    allowed = [parameter for parameter in inspect.signature(make).parameters if parameter != "seed"]
    for option in options:
        if option not in allowed:
            raise unknown(f"option of model {name!r}", option, allowed)
    try:
        return make(seed=seed, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The options of model {name!r} can't be used: {str(error).rstrip('.')}.") from error


def _maker(name: str) -> Callable[..., Any]:
    if name in _BUILT_IN:
        require("sklearn", extra="train")
    if name == "network":
        require("torch", extra="deep")
        from emotone.models.network import network

        return network
    if name == "finetune":
        require("torch", extra="deep")
        from emotone.models.finetune import finetune

        return finetune
    if name in _BUILT_IN:
        from emotone.models import classic, regression

        made: Callable[..., Any] = getattr(regression if name in REGRESSORS else classic, name)
        return made
    others = plugins.installed(ENTRY_POINTS, _BUILT_IN)
    if name not in others:
        raise unknown("model", name, (*_BUILT_IN, *others))
    plugin = others[name]
    loaded = plugin.load()
    if not callable(loaded):
        raise ConfigError(f"{plugin.value} must be a function that makes a model, not {loaded!r} ({plugin.package}).")
    given: Callable[..., Any] = loaded
    return given
