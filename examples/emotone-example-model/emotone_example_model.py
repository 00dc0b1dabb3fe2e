"""A model that another package adds to emotone: linear discriminant analysis, with shrinkage.

It shows the three things that emotone asks of a model: a function of ``seed`` and named options that makes it,
scikit-learn's protocol, and ``to_onnx``, so that a recogniser can be saved and used without this package.
"""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotone.models.onnx import INPUT, OUTPUT, Graph


class SavedLDA(LinearDiscriminantAnalysis):
    """scikit-learn's, which can write itself as ONNX."""

    def to_onnx(self, labels):
        """The fitted model as a serialised graph: features in, the probabilities of ``labels`` out, in that order."""
        order = [list(self.classes_).index(label) for label in labels]
        weights, offsets = self.coef_, self.intercept_
        if len(order) == 2:  # scikit-learn then keeps the second class's score against the first's alone
            weights, offsets = np.vstack([0 * weights, weights]), np.append(0.0, offsets)
        graph = Graph()
        features = graph.add("Cast", INPUT, to=graph.double)
        scores = graph.add("MatMul", features, graph.constant("weights", weights[order].T))
        scores = graph.add("Add", scores, graph.constant("offsets", offsets[order]))
        graph.add("Cast", graph.add("Softmax", scores, axis=-1), to=graph.single, output=OUTPUT)
        return graph.serialised(OUTPUT, len(labels), size=self.n_features_in_)


def lda(*, shrinkage="auto", seed=0):
    """The model, unfitted; ``shrinkage`` is scikit-learn's. Nothing is drawn, so ``seed`` changes nothing."""
    return SavedLDA(solver="lsqr", shrinkage=shrinkage)
