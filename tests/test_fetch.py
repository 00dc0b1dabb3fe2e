"""Downloads against a server on this machine that can be told to misbehave, and archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotone import corpora, fetch
from emotone.corpora import unpacking
from emotone.errors import ConfigError, DownloadError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    break_after: list[int | None] = field(default_factory=list)
    """For each coming answer the bytes after which the connection is cut; None: not at all."""
    fail_with: list[int] = field(default_factory=list)
    """Status codes of the coming answers, before any good one."""
    retry_after: str | None = None
    send_length: bool = True
    redirect_to: str | None = None
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(dict(self.headers.items()))
        if site.redirect_to is not None:
            self.send_response(302)
            self.send_header("Location", site.redirect_to)
            self.end_headers()
            return
        if site.fail_with:
            self.send_error(site.fail_with.pop(0))
            return
        content = site.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self.start_of_range(content)
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if site.send_length:
            self.send_header("Content-Length", str(len(content) - start))
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.modified:
            self.send_header("Last-Modified", site.modified)
        self.end_headers()
        stop = site.break_after.pop(0) if site.break_after else None
        self.wfile.write(content[start:] if stop is None else content[start : start + stop])

    def start_of_range(self, content: bytes) -> int:
        wanted = self.headers.get("Range")
        if wanted is None or not self.site.ranges:
            return 0
        if self.headers.get("If-Range") not in (self.site.etag, self.site.modified):
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site(files={"/corpus.zip": CONTENT})
    server = Server(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": state}))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def get(site: Site, tmp_path: Path) -> Callable[..., Path]:
    """Download the site's file without pausing between attempts."""

    def download(**options: object) -> Path:
        url = f"{site.url}/corpus.zip"
        return fetch.download(url, tmp_path / "new" / "corpus.zip", pause=0.0, **options)  # type: ignore[arg-type]

    return download


def leftovers(path: Path) -> set[str]:
    return {each.name for each in path.parent.iterdir()} if path.parent.exists() else set()


# ---- downloading ----


def test_a_download_arrives_whole_and_leaves_nothing_else(get: Callable[..., Path], site: Site) -> None:
    seen: list[tuple[int, int | None]] = []
    path = get(sha256=SHA256, md5=MD5, size=len(CONTENT), progress=lambda *state: seen.append(state))
    assert path.read_bytes() == CONTENT
    assert leftovers(path) == {"corpus.zip"}
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert get(sha256=SHA256) == path
    assert len(site.asked) == 1  # what is there and verified isn't fetched again


def test_a_broken_connection_goes_on_where_it_stopped(get: Callable[..., Path], site: Site) -> None:
    site.break_after = [1000, 50_000, None]
    assert get(sha256=SHA256).read_bytes() == CONTENT
    assert [asked.get("Range") for asked in site.asked] == [None, "bytes=1000-", "bytes=51000-"]
    assert site.asked[1]["If-Range"] == '"v1"'


def test_a_download_resumes_in_a_later_run(get: Callable[..., Path], site: Site, tmp_path: Path) -> None:
    site.break_after = [300_000, *[0] * 10]
    with pytest.raises(DownloadError, match=r"broke off after 300,000 bytes, 5 times in a row .*goes on from there"):
        get(sha256=SHA256)
    assert (tmp_path / "new" / "corpus.zip.part").stat().st_size == 300_000
    site.break_after = []
    assert get(sha256=SHA256).read_bytes() == CONTENT
    assert site.asked[-1]["Range"] == "bytes=300000-"


def test_last_modified_serves_where_there_is_no_strong_etag(get: Callable[..., Path], site: Site) -> None:
    site.etag, site.modified = 'W/"weak"', "Wed, 21 Oct 2015 07:28:00 GMT"
    site.break_after = [1000, None]
    assert get().read_bytes() == CONTENT
    assert site.asked[1]["If-Range"] == site.modified


@pytest.mark.parametrize("trouble", ["no validator", "no ranges"])
def test_without_resuming_it_starts_again(get: Callable[..., Path], site: Site, trouble: str) -> None:
    site.break_after = [1000, None]
    if trouble == "no validator":
        site.etag = None
    else:
        site.ranges = False
    assert get().read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_anew(get: Callable[..., Path], site: Site) -> None:
    site.break_after = [1000, *[0] * 10]
    with pytest.raises(DownloadError):
        get()
    new = CONTENT[::-1]
    site.files["/corpus.zip"], site.etag, site.break_after = new, '"v2"', []
    assert get().read_bytes() == new


def test_two_halves_of_different_files_are_noticed(get: Callable[..., Path], site: Site) -> None:
    """A server whose ETag stays the same although the file is another: the hash says so."""
    site.break_after = [1000, *[0] * 10]
    site.files["/corpus.zip"] = b"x" * len(CONTENT)
    with pytest.raises(DownloadError):
        get(sha256=SHA256)
    site.files["/corpus.zip"], site.break_after = CONTENT, []
    assert get(sha256=SHA256).read_bytes() == CONTENT


def test_a_complete_part_only_needs_verifying(get: Callable[..., Path], site: Site, tmp_path: Path) -> None:
    path = get()
    part = path.with_name("corpus.zip.part")
    path.rename(part)
    origin = {"url": f"{site.url}/corpus.zip", "validator": '"v1"', "total": len(CONTENT)}
    part.with_name("corpus.zip.part.json").write_text(json.dumps(origin))
    assert get().read_bytes() == CONTENT
    assert len(site.asked) == 1


def test_a_part_longer_than_the_file_starts_again(get: Callable[..., Path], site: Site, tmp_path: Path) -> None:
    part = tmp_path / "new" / "corpus.zip.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT + b"more")
    origin = {"url": f"{site.url}/corpus.zip", "validator": '"v1"', "total": None}
    part.with_name("corpus.zip.part.json").write_text(json.dumps(origin))
    assert get().read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_built_on(get: Callable[..., Path], site: Site, tmp_path: Path) -> None:
    part = tmp_path / "new" / "corpus.zip.part"
    part.parent.mkdir()
    part.write_bytes(b"other")
    origin = {"url": f"{site.url}/other.zip", "validator": '"v1"', "total": None}
    part.with_name("corpus.zip.part.json").write_text(json.dumps(origin))
    assert get().read_bytes() == CONTENT
    assert "Range" not in site.asked[0]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(get: Callable[..., Path], site: Site, code: int) -> None:
    site.fail_with = [code, code]
    assert get().read_bytes() == CONTENT
    assert len(site.asked) == 3


def test_no_answer_but_a_refusal_is_final(get: Callable[..., Path], site: Site) -> None:
    del site.files["/corpus.zip"]
    with pytest.raises(DownloadError, match=r"corpus.zip can't be fetched: the server says 404 Not Found\."):
        get()
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"sha256": "0" * 64}, f"its sha256 is {SHA256} instead of 000"),
        ({"md5": "0" * 32}, f"its md5 is {MD5} instead of 000"),
        ({"size": 7}, "it has 1,048,576 bytes instead of 7"),
    ],
)
def test_the_wrong_file_is_refused_and_not_kept(
    get: Callable[..., Path], tmp_path: Path, wanted: dict[str, object], said: str
) -> None:
    with pytest.raises(DownloadError, match=said):
        get(**wanted)
    assert leftovers(tmp_path / "new" / "x") == set()


def test_a_wrong_file_in_the_place_of_the_target_is_left_alone(get: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "corpus.zip").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"is there but isn't .*its sha256 is .*Remove it"):
        get(sha256=SHA256)
    assert (tmp_path / "new" / "corpus.zip").read_bytes() == b"mine"


def test_the_first_download_pins_the_hash(get: Callable[..., Path], site: Site) -> None:
    path = get(md5=MD5)
    pins = json.loads((fetch.cache_folder() / "pins.json").read_text())
    assert pins[f"{site.url}/corpus.zip"]["sha256"] == SHA256
    path.unlink()
    assert get().read_bytes() == CONTENT  # still what it was
    path.unlink()
    site.files["/corpus.zip"] = b"something else"
    with pytest.raises(DownloadError, match=r"what it was when first fetched on \d{4}-.*remove the entry .*pins.json"):
        get()
    assert leftovers(path) == set()


def test_a_published_hash_needs_no_pin(get: Callable[..., Path]) -> None:
    get(sha256=SHA256.upper())
    assert not (fetch.cache_folder() / "pins.json").exists()


def test_without_a_network_there_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with pytest.raises(DownloadError, match=r"^corpora.example can't be found .*: is there a network connection\?"):
        fetch.download("http://corpora.example/a.zip", tmp_path / "a.zip")


def test_a_server_that_isnt_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(DownloadError, match=r"broke off after 0 bytes, 5 times in a row .*refused"):
        fetch.download(f"http://127.0.0.1:{port}/a.zip", tmp_path / "a.zip", pause=0.0)


def test_only_the_web_is_fetched_from(tmp_path: Path) -> None:
    for url in ("file:///etc/passwd", "ftp://x.org/a", "data/a.zip"):
        with pytest.raises(ConfigError, match="Only http and https"):
            fetch.download(url, tmp_path / "a")


def test_redirects_are_followed_but_not_out_of_encryption(get: Callable[..., Path], site: Site) -> None:
    (handler,) = (each for each in fetch._opener().handlers if hasattr(each, "redirect_request"))
    asked = fetch.urllib.request.Request("https://safe.example/a")
    with pytest.raises(DownloadError, match="isn't encrypted; not followed"):
        handler.redirect_request(asked, io.BytesIO(), 302, "", fetch.http.client.HTTPMessage(), "http://x.example/a")
    site.redirect_to = f"{site.url}/nowhere"
    with pytest.raises(DownloadError, match="302"):  # round and round
        get()


def test_a_full_disk_is_said_before_the_download(get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match=r"has 1,048,576 bytes, more than is free"):
        get()


def test_the_cache_folder_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path))
    assert fetch.cache_folder() == tmp_path
    monkeypatch.delenv("EMOTONE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for platform, expected in [
        ("linux", tmp_path / "xdg" / "emotone"),
        ("win32", tmp_path / "local" / "emotone" / "cache"),
        ("darwin", Path.home() / "Library" / "Caches" / "emotone"),
    ]:
        monkeypatch.setattr(sys, "platform", platform)
        assert fetch.cache_folder() == expected


# ---- unpacking ----


def zipped(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def tarred(path: Path, members: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    return path


GOOD = {"top/a.wav": b"aa", "top/sub/b.wav": b"b" * 100_000}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz"])
def test_an_archive_is_unpacked_as_a_whole(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    kinds = {".zip": "", ".tar": "w", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
    archive = zipped(path, GOOD) if ending == ".zip" else tarred(path, GOOD, mode=kinds.get(ending, "w:gz"))
    folder = unpacking.unpack(archive, tmp_path / "deep" / "out")
    assert {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.wav")} == GOOD
    assert os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["out"]


def test_side_files_are_put_beside_what_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("a,b")
    (tmp_path / "out").mkdir()  # an empty folder is as good as none
    folder = unpacking.install([zipped(tmp_path / "x.zip", GOOD), tmp_path / "votes.csv"], tmp_path / "out")
    assert (folder / "votes.csv").read_text() == "a,b"
    assert (folder / "top/a.wav").exists()


EVIL = [
    ("../evil", "leads out of the folder"),
    ("a/../../evil", "leads out of the folder"),
    ("/tmp/evil", "leads out of the folder"),
    ("..\\evil", "leads out of the folder"),
    ("C:\\evil", "leads out of the folder"),
]


@pytest.mark.parametrize(("name", "why"), EVIL)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_that_lead_out_are_refused(name: str, why: str, make: Callable[..., Path], tmp_path: Path) -> None:
    archive = make(tmp_path / ("x.zip" if make is zipped else "x.tar.gz"), {"good": b"1", name: b"2"})
    with pytest.raises(DownloadError, match=why):
        unpacking.unpack(archive, tmp_path / "in" / "out")
    assert list((tmp_path / "in").iterdir()) == []  # nothing at all was unpacked
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    archive = tarred(tmp_path / "x.tar.gz", {"thing": b""}, kind=kind)
    with pytest.raises(DownloadError, match="'thing' is a link or device"):
        unpacking.unpack(archive, tmp_path / "out")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"thing": b"/etc/passwd"}, mode=0o120777)
    with pytest.raises(DownloadError, match="'thing' is a link or device"):
        unpacking.unpack(archive, tmp_path / "out")


def test_an_archive_that_swells_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 1 << 20)
    bomb = zipped(tmp_path / "x.zip", {"zeros": bytes(16 << 20)})
    with pytest.raises(DownloadError, match=r"swells to more than .* bytes, 100 times its size"):
        unpacking.unpack(bomb, tmp_path / "out")
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    with pytest.raises(DownloadError, match="holds more than 3 files"):
        unpacking.unpack(zipped(tmp_path / "y.zip", {str(n): b"" for n in range(4)}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", {"a": os.urandom(50_000)}).read_bytes()
    flipped = bytearray(whole)
    flipped[20_000] ^= 0xFF
    tar = tarred(tmp_path / "whole.tar.gz", {"a": os.urandom(50_000)}).read_bytes()
    for name, content, said in [
        ("cut.zip", whole[:30_000], "cut.zip can't be unpacked"),
        ("flipped.zip", bytes(flipped), "flipped.zip can't be unpacked: Bad CRC-32"),
        ("page.zip", b"<!doctype html><p>Please log in", "it is a web page, not an archive"),
        ("cut.tar.gz", tar[:30_000], "cut.tar.gz can't be unpacked"),
        ("no.tar.gz", b"nothing", "no.tar.gz can't be unpacked"),
        ("clash.zip", zipped(tmp_path / "c.zip", {"a": b"1", "a/b": b"2"}).read_bytes(), "can't be unpacked"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DownloadError, match=said):
            unpacking.unpack(tmp_path / name, tmp_path / "in" / "out")
        assert list((tmp_path / "in").iterdir()) == []


def test_a_folder_with_something_in_it_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(DownloadError, match=r"already exists and isn't an empty folder"):
            unpacking.unpack(zipped(tmp_path / "x.zip", GOOD), taken)
    assert (tmp_path / "mine").read_text() == "keep"


# ---- a whole corpus ----


TINY = """
from emotone.corpora import Archive, Corpus
CORPUS = Corpus(
    name="tiny", title="Tiny", licence="CC0 1.0", commercial=True, homepage="{url}",
    citation="Nobody (2020).",
    archives=tuple(Archive(url="{url}/" + name, filename=name) for name in ("tiny.zip", "side.csv")),
    example="anna_sad.wav", pattern=r"(?P<speaker>[a-z]+)_(?P<label>[a-z]+)",
    labels={{"sad": "sad"}}, counts={{"sad": 2}}, n_speakers=2,
)
"""


@pytest.fixture
def tiny(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A corpus on the local server, as an installed package would bring it."""
    packed = zipped(tmp_path / "tiny.zip", {"tiny-main/anna_sad.wav": b"1", "tiny-main/ben_sad.wav": b"2"})
    site.files["/tiny.zip"] = packed.read_bytes()
    site.files["/side.csv"] = b"a,b"
    about = tmp_path / "installed" / "tiny-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[emotone.corpora]\ntiny = tiny_corpus:CORPUS\n")
    (tmp_path / "installed" / "tiny_corpus.py").write_text(TINY.format(url=site.url))
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.delitem(sys.modules, "tiny_corpus", raising=False)


@pytest.mark.usefixtures("tiny")
def test_fetching_a_corpus(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    root = corpora.fetch("tiny", tmp_path / "data" / "tiny", progress=lambda *state: seen.append(state))
    assert list(corpora.load("tiny", root)["speaker"]) == ["tiny/anna", "tiny/ben"]
    assert (root / "side.csv").exists()
    assert {name for name, *_ in seen} == {"tiny.zip", "side.csv"}
    assert [path for path in fetch.cache_folder().rglob("*") if path.is_file()] == [fetch.cache_folder() / "pins.json"]
    with pytest.raises(DownloadError, match=r"already exists"):
        corpora.fetch("tiny", root)
    assert len(site.asked) == 2  # refused before anything was fetched


def test_a_corpus_without_open_download_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SAVEE has no open download. Register on the homepage.*kahlan"):
        corpora.fetch("savee", tmp_path / "savee")
