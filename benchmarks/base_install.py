"""What the base install costs: megabytes, and seconds from the shell to an answer.

    python benchmarks/base_install.py

Makes an empty virtual environment in a temporary folder, installs emotone at the locked versions without extras, and
prints the size of everything installed and the median wall time of whole processes. Needs a package index.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 9


def median_seconds(command: list[str], runs: int = RUNS) -> float:
    """Of whole processes, after one run that fills the file cache and writes bytecode."""
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def megabytes(folder: Path) -> float:
    """Of the files, without the package installer, which came with the environment."""
    tools = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    files = (
        file for file in folder.rglob("*") if file.is_file() and not file.relative_to(folder).parts[0].startswith(tools)
    )
    return sum(file.stat().st_size for file in files) / 1e6


def four_seconds(python: Path, folder: Path) -> Path:
    """A recording of four seconds: the bundled sample, repeated."""
    target = folder / "four_seconds.wav"
    code = (
        "import sys, numpy, soundfile, emotone, pathlib;"
        "sample = next((pathlib.Path(emotone.__file__).parent / 'samples').glob('*.wav'));"
        "x, rate = soundfile.read(sample);"
        "soundfile.write(sys.argv[1], numpy.resize(x, 4 * rate), rate)"
    )
    subprocess.run([python, "-c", code, target], check=True)
    return target


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        environment = Path(temporary) / "venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        bin_folder = environment / ("Scripts" if sys.platform == "win32" else "bin")
        python = bin_folder / "python"
        start = time.perf_counter()
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "requirements.lock", ROOT]
        subprocess.run(install, check=True)
        found = {"install_seconds": time.perf_counter() - start}
        [packages] = environment.rglob("site-packages")
        found["installed_mb_without_bytecode"] = megabytes(packages) - megabytes_of_bytecode(packages)
        found["installed_mb"] = megabytes(packages)
        bare = median_seconds([str(python), "-c", "pass"])
        found["import_seconds"] = median_seconds([str(python), "-c", "import emotone"]) - bare
        found["help_seconds"] = median_seconds([str(bin_folder / "emotone"), "--help"])
        recording = four_seconds(python, Path(temporary))
        found["predict_4s_seconds"] = median_seconds([str(bin_folder / "emotone"), "predict", str(recording)])
    limits = {"installed_mb": 320, "import_seconds": 0.15, "help_seconds": 0.4, "predict_4s_seconds": 1.2}
    for name, value in found.items():
        bar = f"   (bar: under {limits[name]})" if name in limits else ""
        print(f"{name:32s} {value:9.3f}{bar}")
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "base_install.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def megabytes_of_bytecode(folder: Path) -> float:
    """Of the bytecode that the installer compiled."""
    return sum(file.stat().st_size for file in folder.rglob("*.pyc")) / 1e6


if __name__ == "__main__":
    main()
