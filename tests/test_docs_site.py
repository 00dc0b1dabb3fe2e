"""The site: built with warnings as errors, whole without the internet, readable on a desk and on a telephone."""

from __future__ import annotations

import functools
import http.server
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import emotone

pytest.importorskip("mkdocs", reason="pip install 'emotone[docs]'")
pytest.importorskip("material", reason="pip install 'emotone[docs]'")
pytest.importorskip("mkdocstrings", reason="pip install 'emotone[docs]'")

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WIDTHS = {"telephone": 390, "desk": 1280}
LOOKED_AT = (
    "index.html",
    "start.html",
    "results.html",
    "comparison.html",
    "corpora.html",
    "reference/cli.html",
    "reference/recognise.html",
    "guides/timeline.html",
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


class Page(HTMLParser):
    """What a page loads, links to, and can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "iframe", "audio", "video", "source") and "src" in given:
            self.loads.append(given["src"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(given["href"])


@pytest.fixture(scope="session")
def read(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def test_it_loads_nothing_from_elsewhere(site: Path, read: dict[Path, Page]) -> None:
    assert len(read) > 25
    loaded = {address for page in read.values() for address in page.loads}
    outside = {address for address in loaded if urlsplit(address).scheme not in ("", "data")}
    assert not outside
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"@import|url\(['\"]?https?:", text), style.name


def test_no_link_is_dead(site: Path, read: dict[Path, Page]) -> None:
    dead = []
    for path, page in read.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            nameless = parts.fragment and target in read and unquote(parts.fragment) not in read[target].names
            if (nameless or not target.is_file()) and path.name != "404.html":
                dead.append(f"{path.relative_to(site)}: {link}")
    assert not dead, "\n".join(dead)


def test_every_public_name_is_in_the_reference(read: dict[Path, Page]) -> None:
    known = {name for path, page in read.items() if path.parent.name == "reference" for name in page.names}
    public = set(emotone.__all__) - {"__version__"}
    told = {name.removeprefix("emotone.") for name in known if name.startswith("emotone.")}
    homes = {name: f"{home}.{name}" for name, home in emotone._HOMES.items()}
    missing = [name for name in sorted(public) if name not in told and homes.get(name) not in told]
    assert not missing, f"docs/reference says nothing of {', '.join(missing)}"


def test_every_page_has_a_title_and_a_place(site: Path, read: dict[Path, Page]) -> None:
    for path in read:
        if path.name != "404.html":
            text = path.read_text("utf-8")
            assert len(re.findall(r"<h1[ >]", text)) == 1, path.relative_to(site)


def test_search_has_an_index_without_a_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text("utf-8")
    assert index.startswith("var __index = ")
    titles = {entry["title"] for entry in json.loads(index.removeprefix("var __index = "))["docs"]}
    assert {"Responsible use", "emotone predict"} <= titles


# --- looked at in a browser ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no browser: install chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.implicitly_wait(10)
    yield driver
    driver.quit()


def opened(browser: Any, address: str, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(address)


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_fits_and_asks_for_nothing(browser: Any, site: Path, name: str, width: int) -> None:
    opened(browser, (site / name).as_uri(), width)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert asked
    assert all(urlsplit(address).scheme in ("file", "data", "blob") for address in asked), asked
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
    assert browser.execute_script(f"return {broken}") == []


def found(browser: Any, words: str) -> str:
    """What a search for ``words`` shows first."""
    browser.execute_script("document.querySelector('#__search').click()")
    field = browser.find_element("css selector", "input.md-search__input")
    field.send_keys(words)
    return str(browser.find_element("css selector", ".md-search-result__item").get_attribute("textContent"))


def test_search_works_from_a_folder(browser: Any, site: Path) -> None:
    opened(browser, (site / "index.html").as_uri(), WIDTHS["desk"])
    assert "onformal" in found(browser, "conformal")


def test_search_works_from_a_plain_server(browser: Any, site: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            opened(browser, f"http://127.0.0.1:{server.server_port}/index.html", WIDTHS["desk"])
            assert "onformal" in found(browser, "conformal")
        finally:
            browser.get("about:blank")
            server.shutdown()


# --- what makes it ---


def script(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(Path(name).stem, str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_reference_of_commands_is_what_they_say() -> None:
    """Otherwise: run ``scripts/make_cli_docs``."""
    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == script("make_cli_docs").document()


def test_the_results_are_those_of_the_files() -> None:
    """Otherwise: run ``scripts/make_results_docs``."""
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    assert page == script("make_results_docs").document()
    assert all(path.stem in page for path in (ROOT / "benchmarks" / "results").glob("*.json"))


def test_the_picture_of_imports_is_that_of_the_code() -> None:
    """Otherwise: run ``scripts/make_import_picture``."""
    assert (ROOT / "docs" / "images" / "imports.svg").read_text("utf-8") == script("make_import_picture").picture()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[rule](docs/versions.md)", "[rule](versions.md)"),
        ("[changes](CHANGELOG.md)", "[changes](changelog.md)"),
    ],
)
def test_links_of_borrowed_pages_lead_into_the_site(written: str, shown: str) -> None:
    assert script("mkdocs_pages.py").relinked(written) == shown


def test_drawings_and_tables_in_docstrings_become_markdown() -> None:
    as_markdown = script("mkdocs_docstrings.py").as_markdown
    assert as_markdown("A tree.\n\n::\n\n    root\n") == "A tree.\n\n\n    root\n"
    assert as_markdown("For example::\n\n    x = 1\n") == "For example:\n\n    x = 1\n"
    table = "====  =====\na     b\n====  =====\none   two |\nthree four\n====  ====="
    shown = "| a | b |\n|---|---|\n| one | two \\| |\n| three | four |"
    assert as_markdown(f"A table:\n\n{table}\n\nEnd") == f"A table:\n\n{shown}\n\nEnd"
