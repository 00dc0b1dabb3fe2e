"""Networks that learn what to do with a voice they know."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra deep")

from emotone.errors import ConfigError  # noqa: E402
from emotone.models.enrolment import MOST, Memory  # noqa: E402
from emotone.models.examples import Examples  # noqa: E402
from emotone.models.networks import Network, NetworkOptions  # noqa: E402
from emotone.models.options import TrainingOptions  # noqa: E402
from emotone.models.speakers import share_of  # noqa: E402
from emotone.models.training import embeddings_of, logits_of, train  # noqa: E402

TINY = NetworkOptions(width=16, layers=1, heads=2, kernel=3, n_mels=16, dropout=0.0)
QUICK = TrainingOptions(epochs=2, batch=8, seconds=0.4, learning_rate=3e-3, average=0.9, device="cpu", augment=0.0)


def filled(offsets: np.ndarray, n: int) -> Memory:
    """A memory of ``n`` equal embeddings of each speaker."""
    memory = Memory(len(offsets), offsets.shape[1], torch.device("cpu"))
    for _ in range(n):
        memory.add(np.arange(len(offsets)), torch.from_numpy(offsets.astype(np.float32)))
    return memory


def test_a_shift_is_the_known_share_of_the_way_to_the_population():
    offsets = np.array([[2.0, 0.0], [0.0, 4.0], [1.0, -1.0]])
    memory = filled(offsets, MOST)
    way = offsets.mean(0) - offsets[1]
    shares = {share_of(count) for count in (0, 1, 2, 3, 4, 8, MOST)}
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        [shift] = memory.shifts(np.array([1]), rng).numpy()
        share = shift[0] / way[0]
        assert shift[1] == pytest.approx(share * way[1], abs=1e-6)
        seen.add(round(float(share), 5))
    assert seen == {round(share, 5) for share in shares}


def test_nobody_and_strangers_are_left_as_they_are():
    memory = filled(np.array([[1.0, 1.0], [3.0, 3.0]]), MOST)
    for _ in range(20):
        assert (memory.shifts(np.array([-1]), np.random.default_rng()) == 0).all()
    empty = Memory(2, 2, torch.device("cpu"))
    assert (empty.shifts(np.array([0, 1]), np.random.default_rng(0)) == 0).all()


def test_no_more_utterances_count_than_were_heard():
    memory = filled(np.array([[1.0], [3.0]]), 2)
    rng = np.random.default_rng(0)
    shares = {round(float(memory.shifts(np.array([0]), rng)[0, 0]), 5) for _ in range(100)}
    assert shares == {round(share_of(count), 5) for count in (0, 1, 2)}


def test_the_oldest_are_forgotten():
    memory = filled(np.array([[1.0], [5.0]]), MOST)
    for _ in range(MOST):
        memory.add(np.array([0]), torch.tensor([[3.0]]))
    rng = np.random.default_rng(0)
    shifts = {round(float(memory.shifts(np.array([0]), rng)[0, 0]), 5) for _ in range(100)}
    assert max(shifts) == pytest.approx(share_of(MOST) * 1.0, abs=1e-5)


def examples(rng: np.random.Generator) -> Examples:
    signals = [rng.normal(size=int(n)).astype(np.float32) * 0.1 for n in rng.integers(4000, 9000, 24)]
    emotions = ["sad", "angry", "happy"] * 8
    speakers = np.repeat(["a", "b", "", "c"], 6)
    return Examples.of(signals, emotions, ("happy", "sad", "angry"), speakers=speakers)


def test_speakers_get_numbers_and_the_nameless_none():
    found = examples(np.random.default_rng(0))
    assert found.speakers is not None
    assert found.speakers.tolist() == [0] * 6 + [1] * 6 + [-1] * 6 + [2] * 6
    assert found.some(np.array([0, 6, 12])).speakers.tolist() == [0, 1, -1]
    with pytest.raises(ConfigError, match="as many rows of each kind"):
        Examples(found.signals, found.labels, found.allowed, speakers=np.zeros(3, np.int64))


def test_training_that_knows_speakers_goes_on_from_a_checkpoint_to_the_same_numbers(tmp_path):
    given = examples(np.random.default_rng(0))

    def fresh() -> Network:
        torch.manual_seed(0)
        return Network(TINY, 3)

    whole = train(fresh(), given, QUICK).network
    path = tmp_path / "checkpoint.npz"
    train(fresh(), given, QUICK, stop=1, checkpoint=path)
    resumed = train(fresh(), given, QUICK, checkpoint=path).network
    for ours, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    strangers = Examples(given.signals, given.labels, given.allowed)
    unknowing = train(fresh(), strangers, QUICK).network
    assert any((a != b).any() for a, b in zip(whole.parameters(), unknowing.parameters(), strict=True))


def test_embeddings_are_what_answers_are_made_of():
    torch.manual_seed(0)
    network = Network(TINY, 3).eval()
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=n).astype(np.float32) * 0.1 for n in (5000, 16_000, 9000)]
    embeddings = embeddings_of(network, signals)
    assert embeddings.shape == (3, 2 * TINY.width)
    with torch.inference_mode():
        answers = network.answer(torch.from_numpy(embeddings).float()).numpy()
    np.testing.assert_allclose(answers, logits_of(network, signals), atol=1e-5)
