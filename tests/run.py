"""Install what the tests need and run every check: `python3 tests/run.py`.

Needs Python 3.11 or newer and nothing else: it makes the virtual environment `.venv` at the top of the repository, or
uses the one that is there. On Debian and Ubuntu it also installs a browser, fonts, rsync, git and Java, when it may (as
root, or with sudo that asks for no password). Further arguments go to pytest: `python3 tests/run.py -k archive`. Tests
run on all cores; `-n 0` runs them one after the other.

Exits with 0 only if style, types and all tests are clean and no test was skipped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed-for-tests"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OLDEST = (3, 11)
STARTED = time.monotonic()


def main(pytest_arguments: list[str]) -> int:
    """Set up, check style and types, test. The exit code of the whole."""
    if sys.version_info < OLDEST:
        return give_up(f"this is Python {sys.version.split()[0]}; 3.11 or newer is needed.")
    os.chdir(ROOT)
    if not (make_environment() and install_packages()):
        return 1
    if not (provide_browser() and provide_tools()):
        return 1
    checks = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        "pytest": ["pytest", "-n", "auto", "--dist", "worksteal", *pytest_arguments],
    }
    failed = [name for name, command in checks.items() if not step(name, [str(PYTHON), "-m", *command])]
    if failed:
        return give_up(f"not clean: {', '.join(failed)}.")
    return 0


# ---------------------------------------------------------------- setting up


def make_environment() -> bool:
    """The virtual environment, made anew if it is missing or its Python is gone."""
    if PYTHON.exists() and quiet([str(PYTHON), "-m", "pip", "--version"]):
        return True
    STAMP.unlink(missing_ok=True)
    make = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if not quiet([sys.executable, "-c", "import ensurepip, venv"]):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        if not (apt_install("python3-venv", package) or apt_install("python3-venv")):
            print("Python's own module venv is missing here. On Debian and Ubuntu: sudo apt install python3-venv")
            return False
    return step("make .venv", make)


def install_packages() -> bool:
    """This package and what the tests need, into the environment; nothing is fetched if that was done before."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return True
    if not step("install packages", [str(PYTHON), "-m", "pip", "install", "--quiet", "--editable", ".[dev]"]):
        return False
    STAMP.write_text(wanted)
    return True


def provide_browser() -> bool:
    """A Chromium for the tests that look at pages: the system's, else the one that Playwright fetches."""
    if has_browser():
        return True
    distribution = system_name()
    if distribution == "debian" and apt_install("chromium", "fonts-liberation") and has_browser():
        return True
    # Ubuntu's own package is a snap, which does not run in containers.
    fonts = distribution == "ubuntu" and as_root() is not None
    fetch = [str(PYTHON), "-m", "playwright", "install", *(["--with-deps"] if fonts else []), "chromium"]
    if step("fetch a browser", fetch) and has_browser():
        return True
    print(
        "The tests need the browser Chromium, and it could not be installed. Install it yourself and run this again:\n"
        "  Debian:    sudo apt install chromium fonts-liberation\n"
        f"  elsewhere: {PYTHON.relative_to(ROOT)} -m playwright install --with-deps chromium"
    )
    return False


TOOLS = {
    "rsync": "rsync",  # with which archives go to other machines
    "ssh": "openssh-client",
    "java": "default-jre-headless",  # runs the checker of HTML
    "git": "git",
}
"""Programs that tests start, and the Debian package of each."""


def provide_tools() -> bool:
    """What tests start besides a browser."""
    missing = {program: package for program, package in TOOLS.items() if shutil.which(program) is None}
    if not missing or apt_install(*missing.values()):
        return True
    print(
        f"The tests need {', '.join(missing)}. Install them and run this again; on Debian and Ubuntu:"
        f" sudo apt install {' '.join(missing.values())}"
    )
    return False


def has_browser() -> bool:
    """Whether a Chromium is on the path, or Playwright has its own."""
    if any(shutil.which(name) for name in BROWSERS):
        return True
    look = "import os; from playwright.sync_api import sync_playwright as p\n"
    look += "with p() as play: raise SystemExit(not os.path.exists(play.chromium.executable_path))"
    return quiet([str(PYTHON), "-c", look])


def apt_install(*packages: str) -> bool:
    """Install Debian packages, if this is such a system and we may. Whether they are there now."""
    prefix = as_root()
    if shutil.which("apt-get") is None or prefix is None:
        return False
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    install = [*apt, "install", "--no-install-recommends", *packages]
    step("refresh the package lists", [*apt, "update"])
    return step(f"install {' '.join(packages)}", install)


def as_root() -> list[str] | None:
    """What to write before a command to run it as root: nothing, sudo, or None where that is not allowed."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and quiet(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def system_name() -> str:
    """`debian`, `ubuntu` or whatever this system calls itself."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return sys.platform
    return next((line[3:].strip('"') for line in lines if line.startswith("ID=")), "")


# ---------------------------------------------------------------- running


def step(name: str, command: list[str]) -> bool:
    """Say what comes and when, run it with its output in view, and tell whether it went well."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {name}", flush=True)
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0


def quiet(command: list[str]) -> bool:
    """Run a command out of sight and tell whether it went well."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def give_up(reason: str) -> int:
    """Say why on the last line; the exit code of a failure."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
