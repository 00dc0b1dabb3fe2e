"""`models.finetune`: an encoder in the common loop, as much of it learning as was asked for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotone import models, synthetic
from emotone.cli.train import _encoder_options
from emotone.errors import ConfigError, ExperimentError

torch = pytest.importorskip("torch", reason="needs emotone[deep]")
transformers = pytest.importorskip("transformers", reason="needs emotone[deep]")

from emotone.features import encoders  # noqa: E402
from emotone.features.encoders.inputs import log_mel, standardised  # noqa: E402
from emotone.models.finetune import FineTunable, FineTuneOptions  # noqa: E402

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
SIZES |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
FAMILIES = ("whisper", "Wav2Vec2", "WavLM")
QUICK = {"epochs": 2, "batch": 8, "n_folds": 2, "device": "cpu", "precision": "float32"}


def made(family: str, folder: Path) -> Path:
    """A tiny, untrained encoder in Hugging Face's layout."""
    torch.manual_seed(0)
    if family == "whisper":
        sides = {"layers": 3, "attention_heads": 2, "ffn_dim": 64}
        sizes = {f"{side}_{size}": number for side in ("encoder", "decoder") for size, number in sides.items()}
        special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
        config = transformers.WhisperConfig(d_model=32, vocab_size=50, num_mel_bins=80, **sizes, **special)
        transformers.WhisperModel(config).save_pretrained(folder)
    else:
        config = getattr(transformers, f"{family}Config")(**SIZES, layerdrop=0.5)
        getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    transformers.utils.logging.disable_progress_bar()
    root = tmp_path_factory.mktemp("encoders")
    found = {family: made(family, root / family) for family in FAMILIES}
    transformers.utils.logging.enable_progress_bar()
    return found


@pytest.fixture(scope="module")
def clips() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Signals, emotions and speakers: 24 clips of four speakers."""
    rng = np.random.default_rng(0)
    rows = [(emotion, speaker) for emotion in ("sad", "angry") for speaker in (1, 2, 3, 4) for _ in range(3)]
    signals = [synthetic.speech(emotion, who, rng=rng, seconds=0.8 + 0.1 * who) for emotion, who in rows]
    return signals, np.array([emotion for emotion, _ in rows]), np.array([who for _, who in rows])


def tunable(folder: Path, **options: Any) -> Any:
    torch.manual_seed(0)
    return FineTunable(FineTuneOptions(encoder=str(folder), **options), 2).eval()


def learning(network: Any) -> set[str]:
    """The parts of the encoder that have something to learn."""
    named = [name for name, value in network.trunk.named_parameters() if value.requires_grad]
    return {name.partition(".layers.")[2].partition(".")[0] or name for name in named}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clip_is_the_same_alone_and_among_longer_ones(family: str, folders: dict[str, Path], clips: Any) -> None:
    network = tunable(folders[family])
    short, long = clips[0][0], clips[0][9]
    batch = torch.zeros(2, len(long))
    batch[0, : len(short)], batch[1] = torch.from_numpy(short), torch.from_numpy(long)
    assert len(short) < len(long)
    with torch.no_grad():
        together = network(batch, torch.tensor([len(short), len(long)]))
        alone = network(torch.from_numpy(short[None]))
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_whispers_input_is_the_front_ends_but_at_the_end(folders: dict[str, Path], clips: Any) -> None:
    clip = clips[0][0]
    ours, mask = tunable(folders["whisper"]).logmel(torch.from_numpy(clip[None]))
    assert mask.all()
    assert np.abs(ours[0].numpy().T - log_mel(clip))[:, :-2].max() < 1e-4


def test_the_waveform_is_standardised_over_the_clip_alone(folders: dict[str, Path], clips: Any) -> None:
    clip = clips[0][0]
    padded = torch.from_numpy(np.pad(clip, (0, 3_200))[None])
    ours, _ = tunable(folders["WavLM"]).logmel(padded, torch.tensor([len(clip)]))
    assert np.abs(ours[0, : len(clip), 0].numpy() - standardised(clip)).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_the_encoders_own(family: str, folders: dict[str, Path], clips: Any) -> None:
    network, encoder = tunable(folders[family]), encoders.load(folders[family])
    clip = clips[0][0][:16_000]
    with torch.no_grad():
        prepared, mask = network.logmel(torch.from_numpy(clip[None]))
        ours, _ = network.trunk(prepared, mask)
        theirs = torch.stack(encoder(encoder.prepare(clip)), 1)
    theirs = torch.nn.functional.layer_norm(theirs, (32,))
    assert ours.shape == theirs.shape
    assert torch.allclose(ours[:, :, :-4], theirs[:, :, :-4], atol=0.05)  # Whisper's input differs at the end


@pytest.mark.parametrize(
    ("options", "parts"),
    [({}, set()), ({"tuned": 1}, {"2"}), ({"tuned": 2}, {"1", "2"}), ({"tuned": 1, "blocks": 2}, {"1"})],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_upper_blocks_learn(
    family: str, options: dict[str, int], parts: set[str], folders: dict[str, Path]
) -> None:
    network = tunable(folders[family], **options)
    assert learning(network) == parts
    assert len(network.shares) == options.get("blocks", 3) + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_encoder_can_learn(family: str, folders: dict[str, Path]) -> None:
    network = tunable(folders[family], tuned=3)
    assert all(value.requires_grad for value in network.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_corrections_begin_at_nothing_and_are_all_that_learns(
    family: str, folders: dict[str, Path], clips: Any
) -> None:
    plain, corrected = tunable(folders[family]), tunable(folders[family], lora=2)
    corrected.load_state_dict(plain.state_dict(), strict=False)  # the head; the encoder's are the same
    signal = torch.from_numpy(clips[0][0][None])
    with torch.no_grad():
        assert torch.allclose(plain(signal), corrected(signal), atol=1e-6)
    named = [name for name, value in corrected.trunk.named_parameters() if value.requires_grad]
    assert len(named) == 3 * 2 * 2  # blocks, matrices, factors
    assert all("parametrizations.weight.0" in name for name in named)
    corrected(signal).sum().backward()
    assert all(value.grad is not None for value in corrected.trunk.parameters() if value.requires_grad)


@pytest.mark.parametrize("options", [{}, {"tuned": 1}, {"lora": 2}], ids=["frozen", "tuned", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_and_answers_and_becomes_onnx(
    family: str, options: dict[str, int], folders: dict[str, Path], clips: Any
) -> None:
    import onnxruntime

    signals, emotions, speakers = clips
    model = models.get("finetune", encoder=str(folders[family]), rounds=0, **QUICK, **options)
    assert model.wants == "signals"
    before = copy.deepcopy(encoders.load(folders[family]).state_dict())
    model.fit(signals, emotions, groups=speakers)
    proba = model.predict_proba(signals)
    assert proba.shape == (24, 2)
    assert np.allclose(proba.sum(axis=1), 1)
    after = model.network_.trunk.encoder.state_dict()
    changed = {name for name, value in before.items() if name in after and not torch.equal(after[name], value)}
    assert bool(changed) == bool(options.get("tuned"))
    session = onnxruntime.InferenceSession(model.to_onnx(["sad", "angry"]))
    for signal, expected in list(zip(signals, proba, strict=True))[::7]:
        [answer] = session.run(None, {"waveform": signal[None]})
        assert np.abs(answer[0] - expected[::-1]).max() < 1e-4  # its classes are angry and sad
    [answers] = session.run(None, {"waveform": np.stack([signal[:9_000] for signal in signals[:3]])})
    assert np.abs(answers - model.predict_proba([signal[:9_000] for signal in signals[:3]])[:, ::-1]).max() < 1e-4
    with pytest.raises(ConfigError, match="must be the model's classes"):
        model.to_onnx(["sad", "happy"])


@pytest.mark.parametrize("pooling", ["mean+sd", "attentive"])
def test_it_learns_what_can_be_learnt(pooling: str, folders: dict[str, Path], clips: Any) -> None:
    signals, emotions, speakers = clips
    quick = {**QUICK, "epochs": 25, "augment": 0.0, "mixup": 0.0, "speed": 0.0, "learning_rate": 1e-2}
    model = models.get("finetune", encoder=str(folders["whisper"]), pooling=pooling, rounds=0, **quick)
    model.fit(signals, emotions, groups=speakers)
    assert (model.predict(signals) == emotions).mean() > 0.9


def test_the_same_seed_gives_the_same_model_whatever_the_encoder_draws(folders: dict[str, Path], clips: Any) -> None:
    signals, emotions, speakers = clips
    answers = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        model = models.get("finetune", encoder=str(folders["WavLM"]), tuned=1, rounds=1, seed=5, **QUICK)
        answers.append(model.fit(signals, emotions, groups=speakers).predict_proba(signals))
    assert np.array_equal(*answers)
    assert len(model.held_out_proba_) == 12
    assert model.temperature_ > 0


def test_one_class_is_a_sentence(folders: dict[str, Path], clips: Any) -> None:
    model = models.get("finetune", encoder=str(folders["whisper"]), **QUICK)
    with pytest.raises(ExperimentError):
        model.fit(clips[0][:6], clips[1][:6], groups=clips[2][:6])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuned": 4}, "has 3 blocks"),
        ({"blocks": 4}, "has 3 blocks"),
        ({"tuned": 3, "blocks": 2}, "has 3 blocks"),
        ({"tuned": -1}, "tuned of finetune is a whole number"),
        ({"lora": 1.5}, "lora of finetune is a whole number"),
        ({"lora": 2, "tuned": 1}, "Either blocks are tuned"),
        ({"pooling": "max"}, "Unknown pooling of finetune"),
        ({"head_dropout": 1}, "head_dropout of finetune"),
        ({"sha256": "00"}, "isn't the one asked for"),
        ({"epochs": 0}, "epochs"),
        ({"depth": 3}, "Unknown option of model 'finetune'"),
        ({"init": "trunk.npz"}, "Unknown option of model 'finetune'"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str, folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=message):
        models.get("finetune", **{"encoder": str(folders["whisper"]), **options})


def test_an_encoder_that_is_not_here_is_known_at_once() -> None:
    with pytest.raises(ConfigError, match=r"isn't on this machine.*--download"):
        models.get("finetune", encoder="nobody/nothing")


def test_the_command_line_gives_the_model_its_encoder() -> None:
    options = _encoder_options("x/y", None, "finetune", download=False)
    assert options == {"model_options": {"encoder": "x/y"}}
