"""The notebooks, from the first cell to the last: on generated speech anywhere, on a part of RAVDESS where it is."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import emotone

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SOURCE = Path(emotone.__file__).resolve().parents[1]
KERNEL = "under-test"

# What the last cells know, as JSON on stdout.
PROBE = """
import json
print(json.dumps({
    "generated": GENERATED,
    "recordings": len(recordings),
    "summary": summary.to_dict("records"),
    "corrected": corrected.line(),
    "better": result.line(),
    "folder": str(folder),
    "emotion": answer.emotion,
    "scores": dict(answer.scores),
}))
"""


@dataclass(frozen=True)
class Executed:
    cells: list[Any]
    known: dict[str, Any]
    """What `PROBE` printed."""

    @property
    def scores(self) -> dict[str, float]:
        """Voices and way to score, for the tutorial's four emotions."""
        rows = [row for row in self.known["summary"] if row["emotions"] == "four"]
        return {f"{row['voices']}: {row['how']}": row["score"] for row in rows}

    def outputs(self, kind: str) -> list[str]:
        found = [output.get("data", {}).get(kind) for cell in self.cells for output in cell.get("outputs", [])]
        return [text for text in found if text]

    def printed(self) -> str:
        outputs = [output for cell in self.cells for output in cell.get("outputs", [])]
        return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and a kernel that is this very Python, whatever kernels the machine has."""
    spec = tmp_path / "jupyter" / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": arguments, "display_name": KERNEL, "language": "python"}), "utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # no more processes than the test asked for
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("EMOTONE_SPLITS", "3")
    work = tmp_path / "work"
    work.mkdir()
    return work


def execute(notebook: Path, work: Path) -> Executed:
    document = nbformat.read(notebook, as_version=4)
    document.cells.append(nbformat.v4.new_code_cell(PROBE))
    client = nbclient.NotebookClient(
        document, timeout=280, kernel_name=KERNEL, resources={"metadata": {"path": str(work)}}
    )
    client.execute()  # a cell that fails raises
    *cells, probe = document.cells
    return Executed(cells, json.loads(probe.outputs[0]["text"]))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(notebook):
    document = nbformat.read(notebook, as_version=4)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.stat().st_size < 100_000
    assert len({cell.id for cell in document.cells}) == len(document.cells)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_generated_speech(notebook, kernel, monkeypatch):
    monkeypatch.setenv("EMOTONE_RAVDESS", str(kernel / "nowhere"))
    done = execute(notebook, kernel)
    assert done.known["generated"]
    assert done.known["recordings"] == 240
    assert "GENERATED" in done.printed()
    assert done.printed().count("nothing about people") == 2  # at the start and beside the last numbers
    check_what_every_run_shows(done, kernel, n_actors=8)


@pytest.mark.corpus
@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_real_recordings(notebook, kernel, data, monkeypatch):
    """Six actors, one of each of the official folds."""
    few = kernel / "ravdess"
    for actor in (1, 2, 3, 4, 6, 8):
        (few / f"Actor_{actor:02d}").mkdir(parents=True)
        for clip in (data / "ravdess" / f"Actor_{actor:02d}").iterdir():
            (few / clip.parent.name / clip.name).symlink_to(clip)
    monkeypatch.setenv("EMOTONE_RAVDESS", str(few))
    done = execute(notebook, kernel)
    assert not done.known["generated"]
    assert done.known["recordings"] == 360
    assert "GENERATED" not in done.printed()
    check_what_every_run_shows(done, kernel, n_actors=6)
    for way in ("", "... with a scaler"):
        known = done.scores[f"known: {way or 'mean of 3 random splits'}"]
        new = done.scores[f"new: {way or 'one speaker left out'}"]
        assert 0.25 < new < known - 0.05


def check_what_every_run_shows(done: Executed, work: Path, *, n_actors: int) -> None:
    assert len(done.known["summary"]) == 6
    assert all(0.1 < row["score"] <= 1 for row in done.known["summary"])
    assert done.known["corrected"].endswith(f"ravdess seed · loso, {n_actors} folds, speakers unseen")
    official = f"ravdess eight · official, 6 folds, {n_actors} of 24 speakers, speakers unseen"
    assert done.known["better"].endswith(official)
    folder = Path(done.known["folder"])
    assert folder.parent == work
    assert {"model.onnx", "config.json", "card.md"} <= {path.name for path in folder.iterdir()}
    assert emotone.load(folder).labels == emotone.EMOTIONS
    assert done.known["better"] in (folder / "card.md").read_text("utf-8")
    assert set(done.known["scores"]) == set(emotone.EMOTIONS)
    pages = done.outputs("text/html")
    assert sum("<audio" in page for page in pages) >= 5  # four clips to guess, and the answer
    assert any("confusion matrix" in page for page in pages)
    assert any("my first recogniser" in page for page in pages)
    assert len(done.outputs("image/png")) >= 6
