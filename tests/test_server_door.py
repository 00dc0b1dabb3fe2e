"""Who may come in: names, origins, tokens, and how often."""

from __future__ import annotations

import time

import pytest
from starlette.datastructures import Headers

from emotone.server.door import Door
from emotone.server.refusal import Refusal
from emotone.server.settings import Settings

TOKEN, OTHER = "0123456789abcdef", "fedcba9876543210"
POST = {"type": "http", "method": "POST"}


def passes(check, *given) -> bool:
    try:
        check(*given)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("10.1.2.3:80", True),
        ("[::1]:8000", True),
        ("app.example", True),
        ("app.example:443", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("app.example@evil.example", False),
        ("[::1].evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("", False),
        ("app.example/", False),
    ],
)
def test_names_that_are_ours(host, is_ours):
    door = Door(Settings(hosts=("app.example",)))
    assert passes(door.check_place, Headers({"host": host})) == is_ours


@pytest.mark.parametrize(
    ("headers", "is_allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:8000"}, True),
        ({"origin": "https://127.0.0.1:8000"}, True),
        ({"origin": "https://app.example"}, True),
        ({"origin": "http://app.example"}, False),
        ({"origin": "http://127.0.0.1"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
)
def test_origins_that_may_ask(headers, is_allowed):
    door = Door(Settings(origins=("https://app.example",)))
    given = Headers({"host": "127.0.0.1:8000", **headers})
    assert passes(door.check_origin, POST, given) == is_allowed
    assert passes(door.check_origin, {"type": "websocket"}, given) == is_allowed
    assert passes(door.check_origin, {"type": "http", "method": "GET"}, given)


def test_tokens():
    door = Door(Settings(token=TOKEN))
    for authorization, token in ((f"Bearer {TOKEN}", None), (f"bearer {TOKEN} ", None), (None, TOKEN), ("x y", TOKEN)):
        door.check_token("a", authorization, token)
    for authorization, token in (
        (None, None),
        (f"Basic {TOKEN}", None),
        (f"Bearer {OTHER}", None),
        (None, TOKEN[:-1]),
        ("", "\ud800"),
    ):
        with pytest.raises(Refusal, match="asks for a token") as refused:
            door.check_token("b", authorization, token)
        assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    Door(Settings()).check_token("c", None)


def test_guessing_tokens_is_slow_and_hinders_nobody_else():
    door = Door(Settings(token=TOKEN))
    statuses = []
    for _ in range(12):
        with pytest.raises(Refusal) as refused:
            door.check_token("guesser", None, OTHER)
        statuses.append(refused.value.status)
    assert statuses == [401] * 10 + [429] * 2
    door.check_token("guesser", None, TOKEN)
    with pytest.raises(Refusal) as refused:
        door.check_token("somebody else", None, OTHER)
    assert refused.value.status == 401


def test_rates_are_each_clients_own():
    door = Door(Settings(client_rate=20.0))
    n_passed = sum(passes(door.check_rate, "a") for _ in range(100))
    assert 40 <= n_passed <= 45
    assert passes(door.check_rate, "b")
    time.sleep(0.2)
    assert passes(door.check_rate, "a")
