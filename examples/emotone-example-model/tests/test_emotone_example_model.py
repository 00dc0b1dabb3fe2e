"""The model learns, and its ONNX graph says what it says."""

import numpy as np
import onnxruntime
import pytest
from emotone_example_model import lda

LABELS = ("neutral", "happy", "sad", "angry")


@pytest.mark.parametrize("k", [2, 4])
def test_the_graph_says_what_the_model_says(k):
    rng = np.random.default_rng(0)
    y = np.repeat(LABELS[:k], 30)
    X = rng.normal(size=(len(y), 6)) + 2 * (y[:, None] == np.array([*LABELS, "", ""])[None])
    model = lda().fit(X, y)
    assert model.score(X, y) > 0.7
    session = onnxruntime.InferenceSession(model.to_onnx(LABELS[:k]))
    [said] = session.run(None, {"features": X.astype(np.float32)})
    order = [list(model.classes_).index(label) for label in LABELS[:k]]
    np.testing.assert_allclose(said, model.predict_proba(X)[:, order], atol=1e-5)
