"""`features.embeddings` and `features.encoders`: transformers' numbers, without the padding and without a download."""

from __future__ import annotations

import functools
import http.server
import importlib.machinery
import importlib.util
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import emotone
from emotone import audio, features, synthetic
from emotone.cli import app
from emotone.errors import AudioError, ConfigError, DownloadError, MissingExtra, RecogniserError
from emotone.features import encoders, extraction
from emotone.features.embeddings import LONGEST, SHORTEST, Embeddings
from emotone.features.encoders import places
from emotone.features.encoders.inputs import log_mel, standardised

torch = pytest.importorskip("torch", reason="needs emotone[deep]")
transformers = pytest.importorskip("transformers", reason="needs emotone[deep]")

ROOT = Path(__file__).parents[1]
WEIGHTS = Path(os.environ.get("EMOTONE_WEIGHTS", ROOT.parent / "shared" / "weights")) / "whisper-base"
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
SMALL |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def whisper(**changes: Any) -> Any:
    """transformers' Whisper, tiny and untrained."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "vocab_size": 50}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, **changes}
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    config = transformers.WhisperConfig(**special, **sizes)
    return transformers.WhisperForConditionalGeneration(config).eval()


def saved(model: Any, folder: Path, **options: Any) -> Path:
    model.save_pretrained(folder, **options)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\nTiny.\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(whisper(), tmp_path_factory.mktemp("encoders") / "tiny-whisper")


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    return synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=2.0)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("somebody wanted the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# --- what goes in ---


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [16_000, 31_999, 1_600])
def test_the_log_mel_is_whispers(signal: np.ndarray, n_mels: int, n_samples: int) -> None:
    extractor = transformers.WhisperFeatureExtractor(feature_size=n_mels)
    theirs = extractor(signal[:n_samples], sampling_rate=16_000, padding=False, return_tensors="np").input_features[0]
    ours = log_mel(signal[:n_samples], n_mels=n_mels)
    assert ours.shape == theirs.shape == (n_mels, n_samples // 160)
    assert np.abs(ours - theirs).max() < 1e-4


def test_silence_has_a_finite_log_mel() -> None:
    assert np.isfinite(log_mel(np.zeros(16_000, np.float32))).all()


def test_the_standardised_waveform_is_theirs(signal: np.ndarray) -> None:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    assert np.allclose(standardised(signal), extractor(signal, sampling_rate=16_000).input_values[0], atol=1e-5)


# --- what comes out ---


def test_whispers_layers_are_theirs_at_the_published_length(tiny: Path, rng: np.random.Generator) -> None:
    clip = rng.normal(0, 0.1, 480_000).astype(np.float32)
    with torch.inference_mode():
        mel = torch.from_numpy(log_mel(clip))[None]
        seen = whisper().model.encoder(mel, output_hidden_states=True).hidden_states
    ours = features.get("embeddings", encoder=str(tiny), layer="all").frames(clip)
    assert ours.shape == (4, 1500, 32)
    for layer, theirs in zip(ours[:3], seen[:3], strict=True):  # the last of theirs is normalised
        assert np.abs(layer - theirs[0].numpy()).max() < 1e-5
    normalise = whisper().model.encoder.layer_norm
    with torch.inference_mode():
        assert np.abs(normalise(torch.from_numpy(ours[3])).numpy() - seen[3][0].numpy()).max() < 1e-5


def test_a_short_clip_meets_the_first_positions_and_no_padding(tiny: Path, signal: np.ndarray) -> None:
    shorter = whisper(max_source_positions=100)  # a Whisper that was made for two seconds, with the same parameters
    state = whisper().state_dict()
    state["model.encoder.embed_positions.weight"] = state["model.encoder.embed_positions.weight"][:100]
    shorter.load_state_dict(state)
    with torch.inference_mode():
        mel = torch.from_numpy(log_mel(signal))[None]
        theirs = shorter.model.encoder(mel, output_hidden_states=True).hidden_states[2][0].numpy()
    ours = features.get("embeddings", encoder=str(tiny), layer=2).frames(signal)
    assert ours.shape == (1, 100, 32)
    assert np.abs(ours[0] - theirs).max() < 1e-5


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio"])
def test_encoders_of_the_waveform_give_their_blocks_outputs(
    family: str, stable: bool, signal: np.ndarray, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    more = {"do_stable_layer_norm": stable, "feat_extract_norm": "layer" if stable else "group"}
    config = getattr(transformers, f"{family}Config")(**SMALL, **({} if family == "Data2VecAudio" else more))
    model = getattr(transformers, f"{family}Model")(config).eval()
    with torch.inference_mode():
        given = torch.from_numpy(standardised(signal))[None]
        theirs = [layer[0].numpy() for layer in model(given, output_hidden_states=True).hidden_states]
    frontend = features.get("embeddings", encoder=str(saved(model, tmp_path / "tiny")), layer="all")
    ours = frontend.frames(signal)
    n_alike = 3 if stable else 4  # after the last block, some versions normalise
    assert ours.shape == (4, 99, 32)
    assert np.abs(ours[:n_alike] - theirs[:n_alike]).max() < 1e-5
    for layer in range(4):  # the same, without the blocks that come after
        alone = features.get("embeddings", encoder=str(tmp_path / "tiny"), layer=layer)
        assert np.array_equal(alone.frames(signal)[0], ours[layer])


def test_an_encoder_says_whether_its_waveform_is_standardised(signal: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = saved(transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SMALL)), tmp_path / "tiny")
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
    as_it_is = encoders.load(folder).prepare(signal)
    assert np.array_equal(as_it_is[0].numpy(), signal)
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    assert encoders.load(folder).prepare(signal).std() == pytest.approx(1, abs=1e-3)


def test_pooling_is_mean_and_deviation_over_time(tiny: Path, signal: np.ndarray) -> None:
    frontend = features.get("embeddings", encoder=str(tiny), layer=2)
    frames = frontend.frames(signal)[0]
    both = frontend(signal)
    assert both.dtype == np.float32
    assert np.allclose(both, [*frames.mean(axis=0), *frames.std(axis=0)], atol=1e-6)
    assert frontend.names[0] == "block_02_mean_0000"
    assert frontend.names[-1] == "block_02_sd_0031"
    means = features.get("embeddings", encoder=str(tiny), layer=2, pooling="mean")
    assert np.array_equal(means(signal), both[:32])
    assert len(means.names) == 32


def test_all_layers_lie_end_to_end(tiny: Path, signal: np.ndarray) -> None:
    frontend = features.get("embeddings", encoder=str(tiny), layer="all")
    values = frontend(signal)
    assert values.shape == (len(frontend.names),) == (4 * 64,)
    for layer in range(4):
        alone = features.get("embeddings", encoder=str(tiny), layer=layer)
        assert frontend.names[64 * layer : 64 * (layer + 1)] == alone.names
        assert np.array_equal(values[64 * layer : 64 * (layer + 1)], alone(signal))


def test_long_recordings_go_through_in_parts(tiny: Path, rng: np.random.Generator) -> None:
    frontend = features.get("embeddings", encoder=str(tiny))
    clip = rng.normal(0, 0.1, round(16_000 * LONGEST) + 3_200).astype(np.float32)
    halves = np.split(clip, 2)
    expected = np.concatenate([frontend.frames(half) for half in halves], axis=1)
    assert np.array_equal(frontend.frames(clip), expected)


def test_too_short_is_an_error_and_silence_is_not(tiny: Path) -> None:
    frontend = features.get("embeddings", encoder=str(tiny))
    shortest = round(SHORTEST * 16_000)
    assert np.isfinite(frontend(np.zeros(shortest, np.float32))).all()
    for n_samples in (shortest - 1, 1, 0):
        with pytest.raises(AudioError, match="100 ms"):
            frontend(np.zeros(n_samples, np.float32))


def test_torch_computes_on_one_thread_and_has_its_threads_back(tiny: Path, signal: np.ndarray) -> None:
    before, seen = torch.get_num_threads(), set()
    hook = torch.nn.modules.module.register_module_forward_hook(lambda *_: seen.add(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        features.get("embeddings", encoder=str(tiny))(signal)
        assert seen == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        hook.remove()


def test_pytorchs_own_files_are_read_too(tiny: Path, signal: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    shutil.copy(tiny / "config.json", folder)
    torch.save(whisper().state_dict(), folder / "pytorch_model.bin")
    ours = features.get("embeddings", encoder=str(folder))
    assert np.array_equal(ours(signal), features.get("embeddings", encoder=str(tiny))(signal))
    assert ours.sha256 != features.get("embeddings", encoder=str(tiny)).sha256


# --- what it says of itself ---


def test_the_description_says_all_and_no_path(tiny: Path) -> None:
    description = features.describe(features.get("embeddings", encoder=str(tiny)))
    assert description == {
        "name": "embeddings",
        "version": 1,
        "encoder": "tiny-whisper",
        "layer": 2,
        "pooling": "mean+sd",
        "revision": "",
        "sha256": places.sha256_of(tiny),
        "licence": "apache-2.0",
    }


def test_a_description_finds_the_folder_again_by_its_hash(tiny: Path, signal: np.ndarray) -> None:
    made = features.get("embeddings", encoder=str(tiny))
    again = features.from_description(json.loads(json.dumps(features.describe(made))))
    assert again == made
    assert np.array_equal(again(signal), made(signal))


def test_a_description_is_found_in_the_folder_of_encoders(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    description = features.describe(features.get("embeddings", encoder=str(tiny)))
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "another machine"))
    with pytest.raises(RecogniserError, match=r"There is no encoder tiny-whisper.*EMOTONE_ENCODERS"):
        features.from_description(description)
    monkeypatch.setenv("EMOTONE_ENCODERS", str(tiny.parent))
    assert features.describe(features.from_description(description)) == description


def test_other_weights_under_the_same_name_are_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    description = features.describe(features.get("embeddings", encoder=str(tiny)))
    torch.manual_seed(1)
    saved(whisper(decoder_layers=2), tmp_path / "tiny-whisper")
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "another machine"))
    monkeypatch.setenv("EMOTONE_ENCODERS", str(tmp_path))
    with pytest.raises(RecogniserError, match=f"isn't the one asked for.*{description['sha256'][:12]}"):
        features.from_description(description)


def test_the_hash_follows_what_decides_the_numbers(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    assert places.sha256_of(folder) == places.sha256_of(tiny)
    (folder / "README.md").write_text("Other words.")
    assert places.sha256_of(folder) == places.sha256_of(tiny)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    changed = places.sha256_of(folder)
    assert changed != places.sha256_of(tiny)
    (folder / "preprocessor_config.json").write_text("{}")
    assert places.sha256_of(folder) not in (changed, places.sha256_of(tiny))


@pytest.mark.parametrize(
    ("header", "licence", "note"),
    [
        ("---\nlicense: mit\n---\n", "mit", ""),
        ("---\ntags:\n- a\nlicense: 'CC-BY-NC-4.0'\n---\n", "cc-by-nc-4.0", "under cc-by-nc-4.0"),
        ("license: mit\n", "", "isn't on record"),
        (None, "", "isn't on record"),
    ],
)
def test_the_licence_is_read_and_said(tiny: Path, tmp_path: Path, header: str | None, licence: str, note: str) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    (folder / "README.md").unlink()
    if header is not None:
        (folder / "README.md").write_text(header)
    frontend = features.get("embeddings", encoder=str(folder))
    assert frontend.licence == licence
    assert note in frontend.licence_note
    assert bool(frontend.licence_note) == bool(note)
    assert features.get("embeddings", encoder=str(folder), licence="mit").licence_note == ""


def test_pickles_and_equality(tiny: Path, signal: np.ndarray) -> None:
    frontend = features.get("embeddings", encoder=str(tiny))
    frontend(signal)
    copy = pickle.loads(pickle.dumps(frontend))
    assert copy == frontend
    assert len(pickle.dumps(frontend)) < 20_000  # the network stays here
    assert np.array_equal(copy(signal), frontend(signal))
    assert str(tiny) not in repr(frontend)
    assert features.get("embeddings", encoder=str(tiny), layer=1) != frontend


# --- what it refuses ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 4}, "from 0 to 3, 'middle' or 'all', not 4"),
        ({"layer": -1}, "not -1"),
        ({"layer": True}, "not True"),
        ({"layer": "first"}, "not 'first'"),
        ({"pooling": "max"}, "Unknown pooling of embeddings 'max'"),
        ({"pooling": 3}, "pooling of embeddings is text"),
        ({"revision": "main"}, "has no revisions"),
        ({"sha256": "00"}, "isn't the one asked for"),
        ({"size": 3}, "Unknown option"),
    ],
)
def test_options_are_checked(tiny: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        features.get("embeddings", **{"encoder": str(tiny), **options})


def test_an_encoder_that_is_not_here_is_one_sentence_and_no_download(offline: None) -> None:
    with pytest.raises(ConfigError, match=r"nobody/nothing isn't on this machine.*--download"):
        features.get("embeddings", encoder="nobody/nothing")
    with pytest.raises(ConfigError, match="There is no encoder /nowhere/at/all"):
        features.get("embeddings", encoder="/nowhere/at/all")


def test_folders_that_are_no_encoder(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json can't be read"):
        features.get("embeddings", encoder=str(tmp_path))
    for content, message in (
        ("{", "isn't JSON"),
        ("[]", "isn't a configuration"),
        ('{"model_type": "bert"}', "Unknown kind of encoder.*'bert'.*wavlm"),
        ('{"model_type": "whisper"}', "whole numbers for encoder_layers"),
    ):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ConfigError, match=message):
            features.get("embeddings", encoder=str(tmp_path))
    shutil.copy(tiny / "config.json", tmp_path)
    with pytest.raises(ConfigError, match="has no weights"):
        features.get("embeddings", encoder=str(tmp_path))


def test_weights_that_do_not_fit_are_a_sentence(tiny: Path, signal: np.ndarray, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    for changes, message in (
        ({"encoder_layers": 5}, "lack .* parameters of a whisper encoder"),
        ({"num_mel_bins": 128}, r"don't fit its config\.json"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(ConfigError, match=message):
            features.get("embeddings", encoder=str(folder), layer=changes.get("encoder_layers", 1))(signal)
    (folder / "model.safetensors").write_bytes(b"no such format")
    with pytest.raises(ConfigError, match="can't be read"):
        features.get("embeddings", encoder=str(folder))(signal)


def test_missing_parameters_of_the_others_are_not_drawn(signal: np.ndarray, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = saved(transformers.WavLMModel(transformers.WavLMConfig(**SMALL)), tmp_path / "tiny")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layers.1.layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="lack 1 parameters of a wavlm encoder"):
        encoders.load(folder)


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_without_the_extra_the_cure_is_named(package: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = features.describe(features.get("embeddings", encoder=str(tiny)))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"{package} is needed.*emotone\[deep\]"):
        features.from_description(description)


def test_making_one_loads_no_torch(tiny: Path) -> None:
    code = (
        "import sys\nfrom emotone import features\n"
        f"assert len(features.get('embeddings', encoder={str(tiny)!r}).names) == 64\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'pandas', 'librosa'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- Hugging Face's cache ---


def in_the_cache(tiny: Path, cache: Path, name: str) -> Path:
    """The encoder as a download would have left it."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    return shutil.copytree(tiny, place / "snapshots" / COMMIT)


def test_what_was_fetched_before_is_used_at_its_commit(
    tiny: Path, signal: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = in_the_cache(tiny, tmp_path, "some/whisper")
    frontend = features.get("embeddings", encoder="some/whisper")
    assert (frontend.encoder, frontend.revision) == ("some/whisper", COMMIT)
    assert features.from_description(features.describe(frontend)) == frontend
    assert features.get("embeddings", encoder="some/whisper", revision=COMMIT) == frontend
    assert features.get("embeddings", encoder=str(folder)) == frontend
    with pytest.raises(ConfigError, match=r"some/whisper at fedc.* isn't on this machine"):
        features.get("embeddings", encoder="some/whisper", revision="fedc" * 10)
    (folder / "model.safetensors").unlink()  # as after a download that was stopped
    with pytest.raises(ConfigError, match="isn't on this machine"):
        features.get("embeddings", encoder="some/whisper")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as a download asks of it; ``folder`` holds the files."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/models/some/whisper/revision/"):
            files = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
            self.send(json.dumps({"id": "some/whisper", "sha": COMMIT, "siblings": files}).encode(), body=body)
        elif self.path.startswith(f"/api/models/some/whisper/tree/{COMMIT}"):
            files = [
                {"type": "file", "path": path.name, "size": 1, "oid": "0"} for path in sorted(self.folder.iterdir())
            ]
            self.send(json.dumps(files).encode(), body=body)
        elif match := re.fullmatch(rf"/some/whisper/resolve/{COMMIT}/([\w.-]+)", self.path):
            self.send((self.folder / match.group(1)).read_bytes(), body=body)
        else:
            self.send_error(404)

    def send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def hub(tiny: Path, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    folder = shutil.copytree(tiny, tmp_path / "on the hub")
    for other in ("flax_model.msgpack", "model.fp32-00001-of-00002.safetensors", "pytorch_model.bin"):
        (folder / other).write_bytes(b"gigabytes")
    handler = type("TheHub", (Hub,), {"folder": folder, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.asked
    server.shutdown()
    server.server_close()


def test_a_download_fetches_one_form_of_the_weights(
    hub: tuple[str, list[str]], signal: np.ndarray, tmp_path: Path
) -> None:
    address, asked = hub
    code = (
        "from emotone.features.encoders.places import download\n"
        "print(sorted(path.name for path in download('some/whisper').iterdir()))\n"
        "from emotone import features\n"
        "print(features.get('embeddings', encoder='some/whisper').revision)\n"
        "download('some/other')\n"
    )
    where = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    where |= {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **where}, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == [str(["README.md", "config.json", "model.safetensors"]), COMMIT], done.stderr
    assert (
        done.stderr.strip().splitlines()[-1].startswith(f"{DownloadError.__module__}.DownloadError: The encoder some")
    )
    assert not any("fp32" in path or "msgpack" in path or ".bin" in path for path in asked)


def test_only_names_can_be_fetched() -> None:
    with pytest.raises(ConfigError, match="names such as openai/whisper-base"):
        places.download("whisper base")


# --- in the machinery ---


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return synthetic.write_ravdess(
        tmp_path / "ravdess", speakers=(1, 2, 3), emotions=("neutral", "sad", "angry"), repetitions=1
    )


def test_workers_and_cache_give_the_same_numbers(
    tiny: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(extraction, "SECONDS_SHARED", 0.0)
    frontend = features.get("embeddings", encoder=str(tiny))
    paths = sorted(recordings.rglob("*.wav"))[:12]
    shared = features.extract_files(paths, frontend, jobs=2, cache=tmp_path / "cache")
    assert not shared.failures
    assert np.array_equal(shared.X, np.stack([frontend(audio.load(path)) for path in paths]))
    monkeypatch.setattr(Embeddings, "frames", lambda *_: pytest.fail("it was in the cache"))
    cached = features.extract_files(paths, features.get("embeddings", encoder=str(tiny)), cache=tmp_path / "cache")
    assert np.array_equal(cached.X, shared.X)


def test_the_cache_does_not_take_one_encoder_for_another(tiny: Path, recordings: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = saved(whisper(encoder_attention_heads=4), tmp_path / "tiny-whisper")
    path = sorted(recordings.rglob("*.wav"))[:1]
    extract = functools.partial(features.extract_files, path, cache=tmp_path / "cache", jobs=1)
    first = extract(features.get("embeddings", encoder=str(tiny)))
    second = extract(features.get("embeddings", encoder=str(other)))
    assert not np.array_equal(first.X, second.X)


def test_train_and_predict_with_an_encoder(
    tiny: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    words = ["--corpus", f"ravdess={recordings}", "--encoder", str(tiny), "--labels", "neutral,sad,angry"]
    words += ["--folds", "3", "--jobs", "1", "--no-audit", "--output", str(run)]
    result = CliRunner().invoke(app, ["train", *words], catch_exceptions=False)
    assert result.exit_code == 0
    described = json.loads((run / "result.json").read_text())
    assert str(tiny) not in json.dumps(described)
    recogniser = emotone.load(run / "recogniser")
    assert recogniser.frontend == features.get("embeddings", encoder=str(tiny))
    assert "(encoder tiny-whisper, layer 2, pooling mean+sd" in recogniser.card
    assert "licence apache-2.0" in recogniser.card
    path = next(recordings.rglob("*.wav"))
    assert set(recogniser.predict(path).scores) == {"neutral", "sad", "angry"}
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"emotone\[deep\]"):
        emotone.load(run / "recogniser")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encoder", "x/y", "--frontend", "functionals"], "--encoder belongs to the features embeddings"),
        (["--download"], "--download fetches an encoder"),
        (["--encoder", "x/y"], "x/y isn't on this machine"),
    ],
)
def test_train_refuses_what_does_not_fit(words: list[str], message: str, offline: None) -> None:
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(app, ["train", "-c", "ravdess=nowhere", *words], catch_exceptions=False)


# --- real weights ---


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base's encoder as Hugging Face would have it."""
    if not (WEIGHTS / "encoder.npz").is_file():
        pytest.skip(f"no real encoder: set EMOTONE_WEIGHTS to a folder with whisper-base/encoder.npz ({WEIGHTS} isn't)")
    script = str(ROOT / "scripts" / "make_encoder_folder")
    spec = importlib.util.spec_from_loader("maker", importlib.machinery.SourceFileLoader("maker", script))
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    made: Path = maker.make_folder(WEIGHTS / "encoder.npz", tmp_path_factory.mktemp("real") / "whisper-base")
    return made


def test_the_converted_encoder_gives_the_reference_outputs(base: Path) -> None:
    reference = {key: value.astype(np.float32) for key, value in np.load(WEIGHTS / "reference.npz").items()}
    network: Any = encoders.load(base)
    with torch.inference_mode():
        frames = network.layer_norm(torch.from_numpy(reference["input"])[None])
        for block in network.layers:
            frames = block(frames)
    wrong = frames[0].numpy() - reference["output"]
    assert np.linalg.norm(wrong) / np.linalg.norm(reference["output"]) < 6e-4  # it was rounded to float16


def test_the_converted_encoder_is_whole_for_transformers(base: Path, signal: np.ndarray) -> None:
    clip = np.pad(signal, (0, 480_000 - len(signal)))
    model = transformers.WhisperModel.from_pretrained(
        base, local_files_only=True, decoder_layers=1, dtype=torch.float32
    )
    with torch.inference_mode():
        seen = model.encoder.eval()(torch.from_numpy(log_mel(clip))[None], output_hidden_states=True).hidden_states
    ours = features.get("embeddings", encoder=str(base), layer=4).frames(clip)
    assert features.get("embeddings", encoder=str(base)).layer == 4
    assert np.linalg.norm(ours[0] - seen[4][0].numpy()) < 1e-4 * np.linalg.norm(ours[0])
