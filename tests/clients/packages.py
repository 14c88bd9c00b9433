"""Packages of PyPI that some tests use, in a folder beside the binary that is kept for the next run."""
import pathlib
import shutil
import subprocess
import sys

import harness

INSTALL_S = 240
SDKS = {"today": "openai", "v2": "openai>=2,<3", "anthropic": "anthropic>=2"}


def folder_with(name, *requirements):
    """A folder with these packages alone, without what they depend on; None: they cannot be had here."""
    folder = pathlib.Path(harness.FATHOM).resolve().parent / "sdk" / name
    ready = folder / "ready"
    if ready.exists():
        return folder
    pip = [shutil.which("pip3") or shutil.which("pip")] if not has_pip() else [sys.executable, "-m", "pip"]
    if pip == [None]:
        return None
    try:
        subprocess.run([*pip, "install", "-q", "--no-deps", "--disable-pip-version-check", "--retries", "0",
                        "--timeout", "10", "--target", str(folder), *requirements], check=True,
                       capture_output=True, timeout=INSTALL_S)
    except (subprocess.SubprocessError, OSError):
        return None
    ready.write_text("")
    return folder


def has_pip():
    return subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0


def python_with(name, *requirements):
    """The interpreter of an environment that has these packages; None: they cannot be had here."""
    folder = pathlib.Path(harness.FATHOM).resolve().parent / "sdk" / name
    python = folder / "bin/python"
    ready = folder / "ready"
    if ready.exists():
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True,
                       timeout=INSTALL_S)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                        "--retries", "0", "--timeout", "10", *requirements], check=True,
                       capture_output=True, timeout=INSTALL_S)
    except (subprocess.SubprocessError, OSError):
        return None
    ready.write_text("")
    return python


def sdk(name):
    return python_with(name, SDKS[name])
