"""The files in deploy/: read as their programs read them, held to their rules, and tried where that can be."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostile
import pytest

from emotone.errors import ConfigError
from emotone.server.settings import PREFIX, Settings, gathered

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCUMENT = ROOT / "docs" / "deployment.md"

UNIT = (DEPLOY / "emotone.service").read_text("utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text("utf-8")
CADDY = (DEPLOY / "Caddyfile").read_text("utf-8")


def test_each_file_is_documented():
    page = DOCUMENT.read_text("utf-8")
    missing = [file.name for file in sorted(DEPLOY.iterdir()) if file.name not in page]
    assert not missing
    assert len(list(DEPLOY.iterdir())) >= 5


# --- settings ---


def test_the_example_settings_are_accepted():
    settings, origins = gathered(file=DEPLOY / "emotone.toml", environment={})
    assert settings.is_local
    assert settings.hosts == ("emotone.example.org",)
    assert set(origins) >= {"host", "port", "max_streams"}


def test_every_setting_named_in_the_environment_exists():
    named = {name.removeprefix(PREFIX).lower() for file in DEPLOY.iterdir() for name in _settings_named_in(file)}
    assert {"host", "port", "token_file", "max_spool_bytes"} <= named
    assert named <= set(Settings.__dataclass_fields__)


def _settings_named_in(file: Path) -> list[str]:
    return [name for name in re.findall(rf"{PREFIX}[A-Z_]+", file.read_text("utf-8")) if name != PREFIX]


def test_the_image_refuses_to_start_without_a_token():
    environment = dict(re.findall(rf"({PREFIX}[A-Z_]+)=(\S+)", CONTAINER))
    assert environment[f"{PREFIX}HOST"] == "0.0.0.0"
    with pytest.raises(ConfigError, match="token"):
        gathered(environment=environment)


# --- systemd ---


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """The section [Service], each key with its values."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    lines = UNIT.partition("[Service]")[2].partition("[Install]")[0].splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_gives_the_server_longer_than_it_takes_to_finish(unit):
    [seconds] = unit["TimeoutStopSec"]
    assert int(seconds) > Settings().drain_seconds


def test_the_unit_has_room_for_all_connections(unit):
    [files] = unit["LimitNOFILE"]
    assert int(files) > 2 * Settings().max_connections


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
class TestSystemd:
    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        """The unit with a program that is there."""
        path = tmp_path / "emotone.service"
        path.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", UNIT))
        return path

    def test_it_finds_no_fault(self, copy):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not [line for line in done.stderr.splitlines() if "emotone" in line]

    def test_it_calls_the_service_hardly_exposed(self, copy):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", copy],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "unrecognized option" in done.stderr:
            pytest.skip("this systemd-analyze can't judge files")
        assert done.returncode == 0, done.stdout[-400:]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux forbids it")
def test_a_recogniser_needs_no_memory_that_is_written_and_run(tmp_path, unit):
    """What ``MemoryDenyWriteExecute`` forbids, as far as the kernel can be asked for it without systemd."""
    assert unit["MemoryDenyWriteExecute"] == ["yes"]
    recordings = hostile.recordings(0.6)
    for name in ("wav", "mp3", "m4a", "webm"):
        (tmp_path / f"talk.{name}").write_bytes(recordings[name])
    script = (
        "import ctypes, json, sys, pathlib\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): raise SystemExit(77)\n"
        "import emotone, fastapi, uvicorn, websockets, prometheus_client\n"
        "rec = emotone.load('open')\n"
        "files = sorted(pathlib.Path(sys.argv[1]).iterdir())\n"
        "print(json.dumps([rec.predict(file).end for file in files] + [len(rec.timeline(files[0]))]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel can't forbid it")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0] == pytest.approx(0.6, abs=0.05)


# --- the image ---


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments, continued lines joined."""
    lines = [line for line in CONTAINER.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def test_the_image_is_pinned_small_and_unprivileged():
    """The rules of hadolint that concern it: DL3002, DL3006, DL3007, DL3020, DL3025, DL3042, DL3000."""
    found = instructions()
    bases = [arguments for name, arguments in found if name == "FROM"]
    assert all(re.match(r"\S+:\d[\w.]*-slim\b", base) for base in bases)
    assert len(bases) == 2, "what builds stays behind"
    last = [name for name, _ in found][::-1].index("FROM")
    final = found[-last:]
    assert [arguments for name, arguments in final if name == "USER"] == ["10001:10001"]
    assert not [arguments for name, arguments in final if name == "RUN"]
    assert "ADD" not in {name for name, _ in found}
    assert all(arguments.startswith("/") for name, arguments in found if name == "WORKDIR")
    assert all("--no-cache-dir" in command for name, command in found if name == "RUN" and "pip install" in command)
    [entry] = [json.loads(arguments) for name, arguments in final if name == "ENTRYPOINT"]
    assert entry[-1] == "serve"
    [check] = [arguments.partition("CMD ")[2] for name, arguments in final if name == "HEALTHCHECK"]
    compile(json.loads(check)[2], "healthcheck", "exec")
    assert not re.search(r"(?i)(token|password|secret)\s*=", CONTAINER)


def test_what_the_image_copies_is_there():
    sources = [
        source for name, arguments in instructions() if name == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]  # fmt: skip
    assert sources
    assert all((ROOT / source).exists() for source in sources)


# --- compose, and the proxy ---


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return found


def test_compose_has_only_keys_that_it_knows(compose):
    known = {
        *("build", "image", "environment", "secrets", "networks", "read_only", "tmpfs", "cap_drop", "cap_add"),
        *("security_opt", "pids_limit", "mem_limit", "stop_grace_period", "restart", "volumes", "ports", "depends_on"),
    }
    assert set(compose) == {"name", "services", "networks", "volumes", "secrets"}
    for service in compose["services"].values():
        assert set(service) <= known


def test_every_container_can_do_as_little_as_possible(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"pids_limit", "mem_limit"} <= set(service), name
        assert "privileged" not in service
        assert not re.search(r":latest$|^[^:]+$", service.get("image", "")) or "build" in service, name


def test_only_the_proxy_is_reached_from_outside(compose):
    server, proxy = compose["services"]["emotone"], compose["services"]["proxy"]
    assert "ports" not in server
    assert set(server["networks"]) == {"inside"}
    assert compose["networks"]["inside"]["internal"] is True
    assert proxy["networks"]["inside"]["ipv4_address"] == server["environment"][f"{PREFIX}PROXIES"]


def test_compose_starts_the_server_with_settings_it_accepts(compose, tmp_path):
    server = compose["services"]["emotone"]
    assert server["secrets"] == ["tokens"]
    assert set(compose["secrets"]) == {"tokens"}
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef0123\n")
    image = dict(re.findall(rf"({PREFIX}[A-Z_]+)=(\S+)", CONTAINER))
    given = {name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value) for name, value in server["environment"].items()}
    settings, _ = gathered(environment={**image, **given, f"{PREFIX}TOKEN_FILE": str(tokens)})
    assert settings.tokens
    room = re.search(r"/tmp:size=(\d+)m", server["tmpfs"][0])
    assert room is not None
    assert settings.max_spool_bytes < int(room[1]) * 1_000_000
    assert settings.drain_seconds < int(server["stop_grace_period"].removesuffix("s"))


def test_the_proxy_and_the_server_agree():
    depth = 0
    for line in CADDY.splitlines():
        depth += line.partition("#")[0].replace("{$EMOTONE_HOST:localhost}", "").count("{")
        depth -= line.partition("#")[0].replace("{$EMOTONE_HOST:localhost}", "").count("}")
        assert depth >= 0
    assert depth == 0
    assert "reverse_proxy emotone:8000" in CADDY
    assert "max_size 100MB" in CADDY
    assert 'EMOTONE_SERVE_MAX_UPLOAD_BYTES: "100000000"' in (DEPLOY / "compose.yaml").read_text("utf-8")
    assert gathered(file=DEPLOY / "emotone.toml", environment={})[0].max_upload_bytes == 100_000_000
