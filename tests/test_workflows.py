"""The workflows and what a release needs: well-formed, pinned, without secrets, and true to pyproject.toml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import emotone

yaml = pytest.importorskip("yaml", reason="comes with mkdocs: pip install 'emotone[docs]'")

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SAID_BY_STRANGERS = r"\$\{\{\s*github\.(event|head_ref|ref_name|actor)"


def read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text("utf-8"))
    document["on"] = document.pop(True)  # what YAML 1.1 makes of the word
    return dict(document)


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield f"{path.name}: {name}", job


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "release", "tests"]
    assert len(list(jobs())) > 6


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits_and_say_which_version(path: Path) -> None:
    uses = re.findall(r"uses: (\S+)(.*)", path.read_text("utf-8"))
    assert uses
    for action, comment in uses:
        if action.startswith("./"):
            assert (ROOT / action).is_file()
        else:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_an_action_has_one_version() -> None:
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\w+)", path.read_text("utf-8")):
            found.setdefault(action, set()).add(commit)
    assert all(len(commits) == 1 for commits in found.values()), found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_secrets_and_no_more_rights_than_needed(path: Path) -> None:
    assert "secrets." not in path.read_text("utf-8")
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow["on"]
    for job in workflow["jobs"].values():
        for step in job.get("steps", []):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            assert not re.search(SAID_BY_STRANGERS, step.get("run", "")), step["run"]


def test_every_job_ends() -> None:
    for name, job in jobs():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 60, name


def test_the_matrix_is_what_is_promised() -> None:
    matrix = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["everywhere"]["strategy"]["matrix"]
    assert set(matrix["system"]) == {"ubuntu-latest", "macos-latest", "windows-latest"}
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert set(promised) <= set(matrix["python"])
    assert f">={matrix['python'][0]}" == PROJECT["requires-python"]
    lowest = [extra for extra in matrix["include"] if extra["resolution"] == "lowest-direct"]
    assert {extra["system"] for extra in lowest} == set(matrix["system"])
    assert {extra["python"] for extra in lowest} == {matrix["python"][0]}


def test_extras_and_scripts_of_the_workflows_exist() -> None:
    text = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    asked = {name for names in re.findall(r"'\.\[([\w,]+)\]'", text) for name in names.split(",")}
    assert asked <= {*PROJECT["optional-dependencies"], "docs"}
    assert all((ROOT / script).is_file() for script in re.findall(r"\bscripts/\w+", text))


def test_publishing_is_trusted_and_asks_a_person() -> None:
    release = read(ROOT / ".github" / "workflows" / "release.yml")
    assert release["on"] == {"push": {"tags": ["v*.*.*"]}}
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "release"
    assert set(publish["needs"]) == {"tests", "build"}
    [step] = [step for step in publish["steps"] if "pypi-publish" in step["uses"]]
    assert "with" not in step  # no password, no other index


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == emotone.__version__
    assert citation["license"] == PROJECT["license"].partition(" AND ")[0]  # of the code; the weights have their own
    newest = re.search(r"^## (\S+) — (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == emotone.__version__


def test_the_archive_is_told_what_the_citation_says() -> None:
    archive = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert archive["title"] == citation["title"]
    assert archive["license"] == citation["license"]
    assert [person["name"] for person in archive["creators"]] == [person["name"] for person in citation["authors"]]
    assert archive["upload_type"] == citation["type"]
