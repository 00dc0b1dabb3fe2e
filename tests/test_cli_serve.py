"""`emotone serve` as people call it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tomllib

import httpx
import pytest
from serving import ROOT, serving
from typer.testing import CliRunner

from emotone.cli import app, main


def test_the_settings_are_printed_with_where_they_are_from(tmp_path, monkeypatch):
    file = tmp_path / "serve.toml"
    file.write_text("max_streams = 7\n", encoding="utf-8")
    monkeypatch.setenv("EMOTONE_SERVE_MAX_JOBS", "3")
    done = CliRunner().invoke(app, ["serve", "--config", str(file), "--port", "9", "-m", "open", "--show-config"])
    assert done.exit_code == 0
    shown = tomllib.loads(done.stdout)
    assert (shown["port"], shown["max_streams"], shown["max_jobs"], shown["models"]) == (9, 7, 3, ["open"])
    assert "(from command line)" in done.stdout
    assert f"(from {file})" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--allow-anyone"),
        (["--model", "nobody"], "no recogniser 'nobody'"),
        (["--config", "/none.toml"], "can't be read"),
        (["--host", "203.0.113.9", "--allow-anyone"], "can't be listened on"),
    ],
)
def test_mistakes_are_one_sentence(words, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["emotone", "serve", "--port", "0", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", "from emotone.cli import main; main()", "serve", "--port", port],
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port} can't be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it_in_order():
    with serving(decoders=1) as server:
        assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
    assert "Traceback" not in "".join(server.log)
