"""How long people wait, measured against named yardsticks: `python3 tests/benchmarks/run.py`.

Needs the environment that `python3 tests/run.py` makes; Node.js with npm for the comparison with the `mjml` command,
which is installed beside this file when it is missing; and SpamAssassin, which is installed on Debian and Ubuntu when
that may be done. Each pair runs in turns, so that a busy moment hits both; the table shows medians and the whole span.
Exits with 1 if a target is missed.

`--smtp` measures only a mailing of 100,000 through a mail server, which takes some minutes; see `smtp.py`. Further
arguments go to it: `--smtp --recipients 10000`. `--readers` measures only how a million readers come in and are found
again, on SQLite and PostgreSQL, which takes some minutes, too; see `importing.py`: `--readers --rows 100000`.
`--http` measures only a mailing of a million through a mail service, planned, sent and resumed, which takes a few
minutes as well; see `mailing_http.py`: `--http 100000`. `--archive` measures only a thousand archived issues, beside
Pelican, and a search in them; see `archive.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / ".venv"
PROGRAMS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = PROGRAMS / ("python.exe" if os.name == "nt" else "python")
NODE_MJML = HERE / "node_modules" / ".bin" / ("mjml.cmd" if os.name == "nt" else "mjml")
ISSUE = "2024-05"
PAIRS = 9
DEMOS = 3


@dataclass(frozen=True)
class Result:
    """Seconds, or points, of what was measured and, where there is one, of its yardstick."""

    name: str
    ours: list[float]
    yardstick: str
    theirs: list[float]
    target: float
    """The most the ratio may be; without a yardstick, the most seconds, or points."""
    unit: str = "s"

    @property
    def value(self) -> float:
        median = statistics.median(self.ours)
        return median / statistics.median(self.theirs) if self.theirs else median

    @property
    def met(self) -> bool:
        return self.value <= self.target


def main() -> int:
    """Measure and print. The exit code."""
    if not PYTHON.exists():
        sys.exit("Make the environment first: python3 tests/run.py")
    larger = {
        "--smtp": lambda: smtp(sys.argv[2:]),
        "--http": lambda: http(sys.argv[2:]),
        "--readers": lambda: readers(sys.argv[2:]),
        "--archive": archive,
    }
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    if chosen in larger:
        found = larger[chosen]()
        yardstick = f"{version(PROGRAMS / 'pelican')}, " if chosen == "--archive" else ""
        return shown(found, f"{version(PYTHON)}, {yardstick}{os.cpu_count()} processors")
    if chosen:
        print(__doc__)
        return 0 if chosen in {"-h", "--help"} else 2
    if not has_node_mjml():
        sys.exit(f"The yardstick is missing: install Node.js, then: npm install --prefix {HERE.relative_to(ROOT)} mjml")
    for program in ("spamassassin", "wrk"):
        if not has(program):
            sys.exit(f"{program} is missing. On Debian and Ubuntu: sudo apt install --no-install-recommends {program}")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder))
        rules = spam(Path(folder))
        results.append(Result(f"spam points of {ISSUE}", [sum(points for points, _ in rules)], "", [], 1.0, "points"))
    code = shown(results, f"{version(PYTHON)}, {version(NODE_MJML)}, {os.cpu_count()} processors")
    print("\nSpamAssassin's rules that fired, local ones only:")
    for points, rule in rules:
        print(f"  {points:+.1f}  {rule}")
    return code


def shown(results: list[Result], machine: str) -> int:
    """Print results; the exit code."""
    print(f"\n{machine}\n")
    for line in table(results):
        print(line)
    return 0 if all(result.met for result in results) else 1


def http(options: list[str]) -> list[Result]:
    """A mailing by HTTP, with its plan, its memory and its way back after a crash."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(PYTHON), str(HERE / "mailing_http.py"), folder, *options]
        took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        small = json.loads(
            subprocess.run([*command[:3], "10000"], stdout=subprocess.PIPE, text=True, check=True).stdout
        )
    readers = f"{took['recipients']:,} readers by HTTP"
    return [
        Result(f"{readers}: planned", [took["plan_s"]], "a bare INSERT ... SELECT", [took["insert_s"]], 5.0),
        Result(f"{readers}: sent", [took["send_s"]], "requests posts the same bodies", [took["bare_s"]], 2.0),
        Result(f"{readers}: most memory", [took["send_mb"]], "10,000 readers", [small["send_mb"]], 1.3, "MB"),
        Result("killed half-way: to the first new message", [took["resume_s"]], "", [], 3.0),
    ]


def archive() -> list[Result]:
    """A thousand issues of twenty stories: built, brought up to date after one change, and searched."""
    pelican = PROGRAMS / "pelican"
    if not pelican.exists():
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "pelican", "markdown"], check=True)
    command = [str(PYTHON), str(HERE / "archive.py"), str(PROGRAMS / "bulletin"), str(pelican)]
    took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    pages = {name: [1000 * each for each in took[name]] for name in ("ours", "theirs")}
    packed, plain = [took["bytes_packed"] / 1000], [took["bytes"] / 1000]
    return [
        Result("1,000 issues of 20 stories, a page", pages["ours"], "Pelican, the same text", pages["theirs"], 1, "ms"),
        Result("one issue changed: all pages and feeds up to date", took["bare_changes"], "", [], 1.5),
        Result("one of the newest issues changed: its index too", took["changes"], "", [], 1.5),
        Result("one older issue changed: its index too", took["old_changes"], "", [], 1.5),
        Result("making the search index of 20,000 stories", took["index"], "", [], 30),
        Result("20,000 stories searched, an answer", took["answers"], "", [], 100, "ms"),
        Result("loaded for the first search, as servers pack it", packed, "", [], 300, "kB"),
        Result("loaded for the first search, not packed", plain, "", [], 300, "kB"),
    ]


def smtp(options: list[str]) -> list[Result]:
    """A mailing by SMTP, per message, beside Postfix's own program and a plain loop."""
    command = [str(PYTHON), str(HERE / "smtp.py"), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    took = {name: [each / 1e3 for each in micro] for name, micro in json.loads(done.stdout).items()}
    name = "a message of 60 kB in a mailing by SMTP, with its ledger"
    return [
        Result(name, took["ours"], "smtp-source, as many connections", took["source"], 1 / 0.7, "ms"),
        Result(name, took["ours"], "EmailMessage and smtplib in a loop", took["loop"], 1 / 3, "ms"),
        Result("making one copy of 60 kB", took["filled"], "EmailMessage", took["built"], 0.05, "ms"),
    ]


def readers(options: list[str]) -> list[Result]:
    """A million readers come in from a file, and are found again by what they read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - for PostgreSQL's server, which never runs as root
        command = [str(PYTHON), str(HERE / "importing.py"), folder, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    ways = {"SQLite": "sqlite3 .import, one indexed table", "PostgreSQL": "psql \\copy, one indexed table"}
    return [
        result
        for kind, took in json.loads(done.stdout).items()
        for result in (
            Result(f"import into {kind}, consent history included", took["import"], ways[kind], took["yardstick"], 10),
            Result(f"most memory of it, {kind}", took["import_mb"], "", [], 300, "MB"),
            Result(f"who reads which edition, less suppressed, {kind}", took["asked"], "", [], 5),
            Result(f"listing who reads one, with the reasons, {kind}", took["listed"], "", [], 5),
            Result(f"most memory of both, {kind}", took["asked_mb"], "", [], 300, "MB"),
        )
    ]


def measure(folder: Path) -> list[Result]:
    """All measurements, one after the other; files go to `folder`."""
    bulletin = str(PROGRAMS / "bulletin")
    source = folder / "issue.mjml"
    with source.open("wb") as file:
        subprocess.run([str(PYTHON), str(HERE / "may_issue.py")], stdout=file, check=True)
    page = str(folder / "issue.html")
    start = in_turns(
        lambda: [bulletin, "--help"],
        lambda: [str(PYTHON), "-c", "import click"],
    )
    render = in_turns(
        lambda: [bulletin, "render", ISSUE, "--out", str(folder / "rendered")],
        lambda: [str(NODE_MJML), str(source), "-o", page],
    )
    checks = [cpu_seconds([bulletin, "check", ISSUE, "--offline"], may_find=True) for _ in range(PAIRS)]
    bare = statistics.median(cpu_seconds([bulletin, "--help"]) for _ in range(PAIRS))
    whole = [seconds([bulletin, "check", ISSUE, "--offline"], may_find=True) for _ in range(PAIRS)]
    asked = [link_seconds() for _ in range(DEMOS)]
    spread, single = [took for took, _ in asked], [took for _, took in asked]
    collected = [collecting() for _ in range(DEMOS)]
    wall, ideal, memory, quiet, parsing, reading, feedparser, merging = (
        list(row) for row in zip(*collected, strict=True)
    )
    demo = [seconds([bulletin, "demo", str(folder / f"demo-{number}")]) for number in range(DEMOS)]
    clicks, answers = one_click_seconds()
    calls = call_microseconds()
    return [
        Result("bulletin --help", start[0], 'python -c "import click"', start[1], 2.5),
        Result(f"bulletin render {ISSUE}", render[0], "mjml (Node.js), the same MJML", render[1], 0.5),
        Result(f"bulletin check {ISSUE} --offline, CPU beyond --help", [took - bare for took in checks], "", [], 1.5),
        Result(f"bulletin check {ISSUE} --offline: render and all checks", whole, "", [], 2.0),
        Result("bulletin demo", demo, "", [], 30),
        Result("200 links at 50 sites that take 0.3 s to answer", spread, "", [], 1.3 * 0.3 + 1),
        Result("200 links at one such site, six at a time", single, "", [], 200 / 6 * 0.3 + 2),
        Result("collecting 500 feeds that take 0.2 s to answer", wall, "answers divided by connections", ideal, 1.5),
        Result("most memory of that, all processes", memory, "", [], 250, "MB"),
        Result("collecting again with nothing new, CPU", quiet, "reading everything, CPU", parsing, 0.25),
        Result(
            "reading a clean feed to candidates, CPU", reading, "feedparser with its defaults, CPU", feedparser, 0.6
        ),
        Result("2,000 candidates into an issue of 40 items", merging, "", [], 1.0),
        Result("1,000 readers of a million leave with one click, for good", clicks, "", [], 1.0),
        Result("the same", clicks, "a bare Starlette endpoint that only answers", answers, 8.0),
        Result(
            "a reader in a call that a service fills in", calls["values"], "json.dumps", calls["dumped_values"], 2, "µs"
        ),
        Result(
            "a copy of 60 kB in a call to a service", calls["copies"], "json.dumps", calls["dumped_copies"], 0.1, "µs"
        ),
    ]


def in_turns(ours: Callable[[], list[str]], theirs: Callable[[], list[str]]) -> tuple[list[float], list[float]]:
    """Both commands `PAIRS` times, by turns, after one run of each that does not count."""
    seconds(ours())
    seconds(theirs())
    pairs = [(seconds(ours()), seconds(theirs())) for _ in range(PAIRS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def seconds(command: list[str], *, may_find: bool = False) -> float:
    """Wall time of a command, from process start to its end. Raises if it fails.

    `may_find`: the exit code 1, for findings, is no failure.
    """
    # Compiled modules are kept, as on anybody's machine, also where a container's settings forbid it.
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=usual, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode not in ((0, 1) if may_find else (0,)):
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return took


def cpu_seconds(command: list[str], *, may_find: bool = False) -> float:
    """Processor time of a command and what it starts, its own and the system's."""
    before = os.times()
    seconds(command, may_find=may_find)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def link_seconds() -> tuple[float, float]:
    """Wall time of asking for many links: at many sites, and at a single one."""
    done = subprocess.run([str(PYTHON), str(HERE / "links.py")], stdout=subprocess.PIPE, text=True, check=True)
    spread, single = done.stdout.split()
    return float(spread), float(single)


def one_click_seconds() -> tuple[list[float], list[float]]:
    """Wall time of 1,000 one-click requests: ours, each kept through kill -9, and those of a bare endpoint."""
    done = subprocess.run([str(PYTHON), str(HERE / "one_click.py")], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    ours, bare = ([1000 / turn["rate"] for turn in found[name]] for name in ("ours", "bare"))
    return ours, bare


def call_microseconds() -> dict[str, list[float]]:
    """Processor time for each reader of writing calls to mail services; `copies.py` says which."""
    done = subprocess.run([str(PYTHON), str(HERE / "copies.py")], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def collecting() -> list[float]:
    """Eight figures about collecting; `collecting.py` says which."""
    done = subprocess.run([str(PYTHON), str(HERE / "collecting.py")], stdout=subprocess.PIPE, text=True, check=True)
    return [float(figure) for figure in done.stdout.split()]


def spam(folder: Path) -> list[tuple[float, str]]:
    """The points SpamAssassin gives the May mail, rule by rule, asking nobody on the network."""
    mail = subprocess.run([str(PYTHON), str(HERE / "may_mail.py")], stdout=subprocess.PIPE, check=True).stdout
    command = ["spamassassin", "--local", "--test-mode", "--prefspath", str(folder / "preferences")]
    said = subprocess.run(command, input=mail, capture_output=True, check=True).stdout.decode("utf-8", "replace")
    lines = said.partition("---- ---------------------- ---")[2].splitlines()[1:]
    found = [re.match(r"\s*(-?\d+\.\d) (\w+ .*)", line) for line in lines]
    rules = [(float(rule[1]), " ".join(rule[2].split())) for rule in found if rule]
    if not rules:
        sys.exit(f"SpamAssassin judged nothing:\n{said[-2000:]}")
    return rules


def has(program: str) -> bool:
    """Whether a program is there, after an attempt to install the Debian package of its name."""
    apt = shutil.which("apt-get")
    if not shutil.which(program) and apt and getattr(os, "geteuid", lambda: 1)() == 0:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.run([apt, "update", "-qq"], check=False, **quiet)
        install = [apt, "install", "-y", "-qq", "--no-install-recommends", program]
        subprocess.run(install, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    return shutil.which(program) is not None


def has_node_mjml() -> bool:
    """Whether Node's `mjml` command is there, after an attempt to install it."""
    npm = shutil.which("npm")
    if not NODE_MJML.exists() and npm:
        install = [npm, "install", "--silent", "--no-save", "--no-package-lock", "--prefix", str(HERE), "mjml@5"]
        subprocess.run(install, stdin=subprocess.DEVNULL, check=False)
    return NODE_MJML.exists()


def version(program: Path) -> str:
    """What a program says of its version, on one line."""
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    return ", ".join(" ".join(line.split()) for line in done.stdout.splitlines() if line.strip())


def table(results: list[Result]) -> list[str]:
    """The results as lines of a Markdown table."""
    rows = [("What", "Time: median (span)", "Yardstick", "Time: median (span)", "Ratio", "Target", "")]
    rows += [
        (
            result.name,
            span(result.ours, result.unit),
            result.yardstick or "none",
            span(result.theirs, result.unit) if result.theirs else "",
            f"{result.value:.2f}" if result.theirs else "",
            f"at most {result.target:.3g}" + ("" if result.theirs else f" {result.unit}"),
            "met" if result.met else "MISSED",
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def span(times: list[float], unit: str = "s") -> str:
    """`0.081 s (0.079 to 0.090)`."""
    if len(times) == 1:
        return f"{times[0]:.1f} {unit}" if unit != "ms" else f"{times[0]:.3f} {unit}"
    return f"{statistics.median(times):.3f} {unit} ({min(times):.3f} to {max(times):.3f})"


if __name__ == "__main__":
    sys.exit(main())
