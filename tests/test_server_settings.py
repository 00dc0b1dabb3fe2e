"""Settings: closed by default, from three places, and no name that doesn't exist."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from emotone.errors import ConfigError
from emotone.server.settings import Settings, as_toml, gathered

TOKEN = "0123456789abcdef"


def test_the_defaults_are_closed():
    settings = Settings()
    assert settings.host == "127.0.0.1"
    assert settings.is_local
    assert (settings.origins, settings.hosts, settings.proxies, settings.tokens) == ((), (), (), ())


def test_options_count_more_than_the_environment_and_that_more_than_a_file(tmp_path):
    file = tmp_path / "serve.toml"
    file.write_text(
        'port = 1001\nmax_streams = 5\norigins = ["https://a.example"]\nmax_seconds = 60\n', encoding="utf-8"
    )
    environment = {"EMOTONE_SERVE_PORT": "1002", "EMOTONE_SERVE_MAX_STREAMS": "6", "OTHER": "x"}
    settings, origins = gathered({"port": 1003, "host": None}, file=file, environment=environment)
    assert (settings.port, settings.max_streams, settings.max_seconds) == (1003, 6, 60.0)
    assert settings.origins == ("https://a.example",)
    assert origins == {
        "port": "command line",
        "max_streams": "environment",
        "origins": str(file),
        "max_seconds": str(file),
    }


def test_the_environment_knows_lists_and_truths():
    given = {"HOSTS": "a.example, b.example", "ALLOW_ANYONE": "true", "HOST": "0.0.0.0", "CLIENT_RATE": "1.5"}
    settings, _ = gathered(environment={f"EMOTONE_SERVE_{name}": value for name, value in given.items()})
    assert settings.hosts == ("a.example", "b.example")
    assert (settings.allow_anyone, settings.client_rate) == (True, 1.5)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_others_are_let_in_only_with_a_token_or_a_word(host, tmp_path):
    with pytest.raises(ConfigError, match="--allow-anyone"):
        Settings(host=host)
    assert not Settings(host=host, allow_anyone=True).is_local
    assert Settings(host=host, token=TOKEN).tokens == (TOKEN,)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_needs_none(host):
    assert Settings(host=host).is_local


def test_tokens_come_from_a_file_and_are_never_shown(tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# of the team\n{TOKEN}  # anna\n\n{TOKEN}xyz\n", encoding="utf-8")
    settings = Settings(token=TOKEN + "0", token_file=str(file))
    assert settings.tokens == (TOKEN + "0", TOKEN, TOKEN + "xyz")
    assert TOKEN not in repr(settings) + as_toml(settings, {})
    for content in ("", "# nothing\n", "short\n", "has a space in it 123\n", "ünicode-ünicode-ünicode\n"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match="token"):
            Settings(token_file=str(file))
    with pytest.raises(ConfigError, match="can't be read"):
        Settings(token_file=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prot": 1}, "Did you mean 'port'"),
        ({"tokens": ["x"]}, "Unknown setting 'tokens'"),
        ({"port": "many"}, "port is a whole number, not 'many'"),
        ({"port": 1.5}, "whole number"),
        ({"port": 70000}, "0 to 65535"),
        ({"max_streams": 0}, "max_streams is 1 or more, not 0"),
        ({"max_seconds": float("nan")}, "number"),
        ({"allow_anyone": "perhaps"}, "true or false"),
        ({"hosts": 3}, "list of texts"),
        ({"host": 3}, "a text"),
        ({"max_streams": True}, "whole number"),
        ({"models": ()}, "At least one recogniser"),
    ],
)
def test_mistakes_are_told_with_the_cure(given, words):
    with pytest.raises(ConfigError, match=words):
        gathered(given, environment={})


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        gathered(file=tmp_path / "none.toml", environment={})
    (tmp_path / "bad.toml").write_text("port = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="aren't TOML"):
        gathered(file=tmp_path / "bad.toml", environment={})
    with pytest.raises(ConfigError, match="Did you mean 'port'"):
        gathered(environment={"EMOTONE_SERVE_PORTT": "1"})


def test_what_is_printed_gives_the_same_settings_again(tmp_path):
    settings = Settings(port=1234, hosts=("a.example",), client_rate=2.5, spool_folder='/tmp/with "quotes"')
    text = as_toml(settings, {"port": "environment"})
    assert "(from environment)" in text
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    again, _ = gathered(file=tmp_path / "again.toml", environment={})
    assert again == settings
    shown = set(tomllib.loads(text)) | {"token", "tokens"}
    assert shown == {each.name for each in dataclasses.fields(Settings)}


def test_every_setting_says_what_it_is_for():
    for each in dataclasses.fields(Settings):
        assert each.metadata.get("derived") or each.metadata["why"].endswith("."), each.name
