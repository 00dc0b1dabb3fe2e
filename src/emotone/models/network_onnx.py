"""A trained network as an ONNX graph: the waveform in, calibrated probabilities out, log-mel and all inside.

Beside the probabilities it gives embeddings, and takes what to add to them for a speaker it knows.

The graph is written operator by operator beside `emotone.models.networks`, whose order it follows, so it needs neither
torch's exporter nor anything but the standard operators of 2022. Lengths are free: any number of signals of one length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ConfigError
from emotone.models.networks import DECADES, FAINT, HOP, LARGE, SILENT, SPREAD, WINDOW
from emotone.models.onnx import EMBEDDINGS, OUTPUT, SHIFT, Graph

__all__ = ["SAMPLES", "WAVEFORM", "network_to_onnx"]

WAVEFORM, SAMPLES = "waveform", "samples"
"""Names of the input, and of its second dimension."""

Array = NDArray[Any]


def network_to_onnx(model: Any, labels: Sequence[str]) -> bytes:
    """The fitted `emotone.models.network.NetworkClassifier` as a serialised ONNX graph.

    Input ``waveform``, float32 ``(n, samples)`` at 16 kHz, at least 160 samples; output ``probabilities``, float32
    ``(n, len(labels))``, in the order of ``labels``, which must be the model's classes.

    For those who know the speaker (`emotone.models.enrolment`) there is a second output, ``embeddings``, float32
    ``(n, embedding)``, and a second input, ``shift``, float32 ``(embedding,)``, zeros where it is left out:
    probabilities are those of the embeddings plus the shift.

    The network's ``storage`` is how matrices are kept in the file: float16 is half as large as float32, and int8, with
    a scale for each output, a quarter. All are multiplied in float32. Raises `ConfigError` for other labels.
    """
    if sorted(labels) != sorted(model.classes_):
        raise ConfigError(
            f"The labels must be the model's classes ({', '.join(map(str, model.classes_))}), "
            f"not {', '.join(labels) or 'none'}."
        )
    writer = _Writer(model.network_)
    logits = writer.network(WAVEFORM)
    proba = writer.add("Softmax", writer.add("Div", logits, writer.number(model.temperature_)), axis=-1)
    order = writer.graph.constant("order", np.searchsorted(model.classes_, list(labels)), np.int64)
    writer.add("Gather", proba, order, axis=1, output=OUTPUT)
    more = {EMBEDDINGS: writer.options.embedding}
    return writer.graph.serialised(OUTPUT, len(labels), source=WAVEFORM, size=SAMPLES, more=more)


class _Writer:
    """Writes each part of a network as the nodes that do the same; arguments and answers are names of arrays."""

    def __init__(self, network: Any) -> None:
        self.graph = Graph()
        self.add = self.graph.add
        self.options = network.options
        self.arrays = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
        self.kernel, self.bands = (value.cpu().numpy() for value in (network.logmel.fourier, network.logmel.bands))

    def network(self, waveform: str) -> str:
        """``(n, samples) -> (n, n_labels)``, and on the way the embeddings"""
        frames = self.trunk(self.logmel(waveform))
        embeddings = self.embed(frames, EMBEDDINGS)
        shift = self.graph.default(SHIFT, np.zeros(self.options.embedding))
        return self.linear("labels", self.add("Add", embeddings, shift))

    def logmel(self, waveform: str) -> str:
        """``(n, samples) -> (n, n_mels, 4 t)``"""
        add = self.add
        signals = add("Unsqueeze", waveform, self.whole([1]))  # (n, 1, samples)
        kernel = self.stored("fourier", self.kernel.T[:, np.newaxis], exactly=True)  # (402, 1, 400)
        waves = add("Conv", signals, kernel, strides=[HOP], pads=[WINDOW // 2, WINDOW // 2])
        waves = add("Slice", waves, self.whole([0]), self.whole([-1]), self.whole([2]))  # (n, 402, 4 t)
        power = add("MatMul", self.stored("bands", self.bands.T, exactly=True), add("Mul", waves, waves))
        level = add("Mul", add("Log", add("Max", power, self.number(SILENT))), self.number(1 / math.log(10)))
        loudest = add("ReduceMax", level, axes=[1, 2], keepdims=1)
        level = add("Max", level, add("Sub", loudest, self.number(DECADES)))
        # Band by band: the sum of all at once loses digits, and a mean that is off moves every answer.
        mean = add("ReduceMean", add("ReduceMean", level, axes=[2], keepdims=1), axes=[1], keepdims=1)
        return add("Div", add("Sub", level, mean), self.number(SPREAD))

    def trunk(self, mel: str) -> str:
        """``(n, n_mels, 4 t) -> (n, t, width)``"""
        flow = self.gelu(self.convolution("trunk.first", mel, strides=[2], pads=[2, 2]))
        flow = self.gelu(self.convolution("trunk.second", flow, strides=[2], pads=[2, 2]))
        flow = self.add("Transpose", flow, perm=[0, 2, 1])
        for i in range(self.options.layers):
            flow = self.block(f"trunk.blocks.{i}", flow)
        return self.norm("trunk.norm", flow)

    def block(self, name: str, flow: str) -> str:
        """``(n, t, width) -> (n, t, width)``"""
        flow = self.add("Add", flow, self.attention(name, self.norm(f"{name}.norm_attention", flow)))
        near = self.add("Transpose", self.norm(f"{name}.norm_convolution", flow), perm=[0, 2, 1])
        half = self.options.kernel // 2
        near = self.convolution(f"{name}.depthwise", near, pads=[half, half], group=self.options.width)
        near = self.add("Transpose", self.silu(near), perm=[0, 2, 1])
        flow = self.add("Add", flow, self.linear(f"{name}.pointwise", near))
        wide = self.gelu(self.linear(f"{name}.wide", self.norm(f"{name}.norm_perceptron", flow)))
        return self.add("Add", flow, self.linear(f"{name}.narrow", wide))

    def attention(self, name: str, flow: str) -> str:
        """``(n, t, width) -> (n, t, width)``"""
        add, heads, width = self.add, self.options.heads, self.options.width
        split = add("Reshape", self.linear(f"{name}.qkv", flow), self.whole([0, 0, 3, heads, width // heads]))
        turned = add("Transpose", split, perm=[2, 0, 3, 1, 4])  # (3, n, heads, t, width / heads)
        query, key, value = (add("Gather", turned, self.whole(i), axis=0) for i in range(3))
        query = add("Mul", query, self.number((width // heads) ** -0.5))
        scores = add("MatMul", query, add("Transpose", key, perm=[0, 1, 3, 2]))  # (n, heads, t, t)
        mixed = add("Transpose", add("MatMul", add("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
        return self.linear(f"{name}.out", add("Reshape", mixed, self.whole([0, 0, width])))

    def embed(self, frames: str, output: str) -> str:
        """``(n, t, width) -> (n, embedding)``, called ``output``"""
        add = self.add
        if self.options.pooling == "imitated":
            frames = self.linear("imitation", frames)  # (n, t, targets)
            mean = add("ReduceMean", frames, axes=[1], keepdims=1)
            apart = add("Sub", frames, mean)
            variance = add("ReduceMean", add("Mul", apart, apart), axes=[1], keepdims=1)
        else:
            worth = self.linear("pool.worth", add("Tanh", self.linear("pool.hidden", frames)))  # (n, t, 1)
            weights = add("Softmax", worth, axis=1)
            mean = self.total(add("Mul", frames, weights))  # (n, 1, width)
            apart = add("Sub", frames, mean)
            variance = self.total(add("Mul", add("Mul", apart, apart), weights))
        spread = add("Sqrt", add("Add", variance, self.number(1e-5)))
        return add("Squeeze", add("Concat", mean, spread, axis=2), self.whole([1]), output=output)

    # --- the pieces that all of them are made of ---

    def linear(self, name: str, flow: str) -> str:
        product = self.add("MatMul", flow, self.stored(name, self.arrays[f"{name}.weight"].T))
        return self.add("Add", product, self.stored(f"{name}.bias", self.arrays[f"{name}.bias"]))

    def convolution(self, name: str, flow: str, **how: Any) -> str:
        kernel = self.stored(name, self.arrays[f"{name}.weight"], out_axis=0)
        return self.add("Conv", flow, kernel, self.stored(f"{name}.bias", self.arrays[f"{name}.bias"]), **how)

    def norm(self, name: str, flow: str) -> str:
        scale, bias = (self.stored(name, self.arrays[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", flow, scale, bias, axis=-1, epsilon=1e-5)

    def gelu(self, flow: str) -> str:
        upper = self.add("Erf", self.add("Mul", flow, self.number(2**-0.5)))
        share = self.add("Mul", self.add("Add", upper, self.number(1.0)), self.number(0.5))
        return self.add("Mul", flow, share)

    def silu(self, flow: str) -> str:
        return self.add("Mul", flow, self.add("Sigmoid", flow))

    def total(self, flow: str) -> str:
        return self.add("ReduceSum", flow, self.whole([1]), keepdims=1)

    def number(self, value: float) -> str:
        return self.graph.constant("number", value, np.float32)

    def whole(self, values: int | list[int]) -> str:
        return self.graph.constant("whole", values, np.int64)

    def stored(self, name: str, array: Array, *, out_axis: int = -1, exactly: bool = False) -> str:
        """An array in the file's storage; ``out_axis`` is that of a matrix's outputs, each of which has a scale."""
        if exactly or array.size <= LARGE or self.options.storage == "float32":
            return self.graph.constant(name, array, np.float32)
        if self.options.storage == "float16":
            return self.add("Cast", self.graph.constant(name, array, np.float16), to=self.graph.single)
        others = tuple(axis for axis in range(array.ndim) if axis != out_axis % array.ndim)
        scale = np.maximum(np.abs(array).max(axis=others, keepdims=True), FAINT) / 127
        small = self.graph.constant(name, np.rint(array / scale), np.int8)
        return self.add(
            "Mul", self.add("Cast", small, to=self.graph.single), self.graph.constant(name, scale, np.float32)
        )
