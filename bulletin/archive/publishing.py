"""The built site to where the world sees it: a folder, another machine, or a branch in git. At once, and back again.

Every way keeps what was there before: the new site is brought there whole, under a name of its own, and then takes the
old one's place in a single step.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bulletin.archive.writing import MARKER
from bulletin.errors import BulletinError

KEPT: Final = 5
"""Earlier sites that are kept to go back to."""
_SSH: Final = re.compile(r"(?P<host>(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*):(?!//)(?P<path>[^:]+)\Z")
_GIT: Final = re.compile(r"git:(?:(?P<remote>[A-Za-z0-9][A-Za-z0-9._-]*)/)?(?P<branch>[A-Za-z0-9][A-Za-z0-9._-]*)\Z")
_RELEASE: Final = re.compile(r"\d{8}T\d{6}Z")


class Place(Protocol):
    """Where an archive is published."""

    def put(self, site: Path, release: str) -> None:
        """Publish a built site; `release` names it, later ones sorting after earlier ones."""

    def back(self) -> str:
        """Go back to the site before, and say which that is."""


def place_for(where: str, root: Path) -> Place:
    """The place that a setting names. Raises `BulletinError` if it names none."""
    if found := _GIT.match(where):
        return GitBranch(root, found["branch"], found["remote"] or "")
    if found := _SSH.match(where):
        return SshHost(found["host"], found["path"].rstrip("/"))
    if ":" in where and not re.match(r"[A-Za-z]:[\\/]", where):
        raise BulletinError(
            f'"{where}" is no place to publish to.',
            hint="Write a folder (/srv/www/bulletin), a host and folder (web.example.org:/srv/www/bulletin), or a "
            "branch (git:pages, or git:origin/pages to push it).",
        )
    return Folder((root / where).absolute())


def release_of(names: list[str], current: str) -> str:
    """The release before the current one. Raises `BulletinError` if there is none."""
    earlier = [name for name in sorted(names) if name < current]
    if not earlier:
        raise BulletinError("there is no earlier archive to go back to.", hint="Build and publish it again instead.")
    return earlier[-1]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this machine: a link that points to the newest of the releases beside it."""

    path: Path

    @property
    def releases(self) -> Path:
        """Where the releases lie."""
        return self.path.with_name(f"{self.path.name}.releases")

    def put(self, site: Path, release: str) -> None:
        """Copy the site beside the old one, and turn the link."""
        if self.path.exists() and not self.path.is_symlink():
            raise BulletinError(
                f"{self.path} is a folder that was not published by bulletin; it stands as it was.",
                hint="Move it away once. The archive is published as a link, so that a new one takes its place.",
            )
        whole = self.releases / release
        try:
            self.releases.mkdir(parents=True, exist_ok=True)
            shutil.copytree(site, whole, ignore=shutil.ignore_patterns(MARKER))
            self._turn(release)
            for old in sorted(self._names())[: -KEPT - 1]:
                shutil.rmtree(self.releases / old, ignore_errors=True)
        except OSError as error:
            raise BulletinError(
                f"the archive cannot be published to {self.path}: {(error.strerror or str(error)).lower()}.",
                hint="What was published before stands as it was.",
            ) from None

    def back(self) -> str:
        """Turn the link to the release before."""
        current = Path(os.readlink(self.path)).name if self.path.is_symlink() else ""
        before = release_of(self._names(), current)
        self._turn(before)
        shutil.rmtree(self.releases / current, ignore_errors=True)
        return before

    def _names(self) -> list[str]:
        there = self.releases.iterdir() if self.releases.is_dir() else ()
        return [path.name for path in there if _RELEASE.fullmatch(path.name)]

    def _turn(self, release: str) -> None:
        turned = self.path.with_name(f".{self.path.name}.{release}")
        turned.symlink_to(Path(self.releases.name, release), target_is_directory=True)
        os.replace(turned, self.path)


@dataclass(frozen=True, slots=True)
class SshHost:
    """A folder on another machine, reached with `ssh` and filled with `rsync`, by the keys of whoever publishes."""

    host: str
    path: str

    def put(self, site: Path, release: str) -> None:
        """Bring the site beside the old one, sending only what differs, and turn the link."""
        if shutil.which("rsync") is None:
            raise BulletinError("rsync is not installed here.", hint="Install it, or publish to a folder or branch.")
        path, releases = shlex.quote(self.path), shlex.quote(f"{self.path}.releases")
        look = f"if [ -e {path} ] && [ ! -L {path} ]; then echo foreign; else readlink {path} || true; fi"
        state = self._ssh(f"mkdir -p {releases} && {{ {look}; }}").strip()
        if state == "foreign":
            raise BulletinError(
                f"{self.path} on {self.host} is a folder that was not published by bulletin; it stands as it was.",
                hint="Move it away once. The archive is published as a link, so that a new one takes its place.",
            )
        before = state.rpartition("/")[2]
        copy = ["--copy-dest", f"../{before}"] if _RELEASE.fullmatch(before) else []
        to = f"{self.host}:{self.path}.releases/{release}/"
        _run(["rsync", "-rlt", "--checksum", "--exclude", MARKER, *copy, f"{site}/", to])
        self._turn(release)
        old = f"ls -1 {releases} | grep -E '^[0-9]{{8}}T[0-9]{{6}}Z$' | sort | head -n -{KEPT + 1}"
        self._ssh(f'cd {releases} && for one in $({old}); do rm -rf -- "$one"; done')

    def back(self) -> str:
        """Turn the link to the release before."""
        path, releases = shlex.quote(self.path), shlex.quote(f"{self.path}.releases")
        said = self._ssh(f"readlink {path}; ls -1 {releases}").split()
        current = said[0].rpartition("/")[2] if said else ""
        before = release_of([name for name in said[1:] if _RELEASE.fullmatch(name)], current)
        self._turn(before)
        self._ssh(f"rm -rf -- {releases}/{shlex.quote(current)}")
        return before

    def _turn(self, release: str) -> None:
        name = self.path.rpartition("/")[2]
        target, turned = shlex.quote(f"{name}.releases/{release}"), shlex.quote(f"{self.path}.{release}.new")
        self._ssh(f"ln -s {target} {turned} && mv -T {turned} {shlex.quote(self.path)}")

    def _ssh(self, command: str) -> str:
        return _run(["ssh", "-o", "BatchMode=yes", self.host, command])


@dataclass(frozen=True, slots=True)
class GitBranch:
    """A branch of the publication's own repository that holds the site alone; pushed where a remote is named."""

    root: Path
    branch: str
    remote: str

    def put(self, site: Path, release: str) -> None:
        """Record the site as a commit on the branch, which moves in one step, and push it."""
        index = self._git("rev-parse", "--absolute-git-dir").strip() + f"/bulletin-archive-{release}"
        place = {"GIT_INDEX_FILE": index, "GIT_WORK_TREE": str(site)}
        try:
            self._git("add", "--all", "--force", "--", ".", cwd=site, settings=place)
            self._git("rm", "--cached", "--quiet", "--ignore-unmatch", "--", MARKER, cwd=site, settings=place)
            tree = self._git("write-tree", settings=place).strip()
        finally:
            Path(index).unlink(missing_ok=True)
        self._record(tree, f"Publish the archive {release}")

    def back(self) -> str:
        """Record the site before as a commit of its own, so that nobody's copy of the branch is cut off."""
        parents = self._git("rev-list", "--first-parent", "-n", "2", f"refs/heads/{self.branch}", check=False).split()
        if len(parents) < 2:
            raise BulletinError("there is no earlier archive to go back to.", hint="Build and publish it again.")
        tree = self._git("rev-parse", f"{parents[1]}^{{tree}}").strip()
        self._record(tree, f"Go back to the archive of {parents[1][:12]}")
        return parents[1][:12]

    def _record(self, tree: str, message: str) -> None:
        name = f"refs/heads/{self.branch}"
        parent = self._git("rev-parse", "--verify", "--quiet", name, check=False).strip()
        if parent and self._git("rev-parse", f"{parent}^{{tree}}").strip() == tree:
            return
        commit = self._git("commit-tree", tree, *(["-p", parent] if parent else []), "-m", message).strip()
        self._git("update-ref", name, commit, parent or "0" * 40)
        if self.remote:
            self._git("push", "--quiet", self.remote, f"{name}:{name}")

    def _git(
        self, *arguments: str, cwd: Path | None = None, settings: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        where = [] if cwd else ["-C", str(self.root)]
        git_dir = {} if cwd is None else {"GIT_DIR": self._git("rev-parse", "--absolute-git-dir").strip()}
        return _run(["git", *where, *arguments], cwd=cwd, settings={**git_dir, **(settings or {})}, check=check)


def _run(
    command: list[str], *, cwd: Path | None = None, settings: Mapping[str, str] | None = None, check: bool = True
) -> str:
    """What a program says. Raises `BulletinError` with its last words if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, and no shell
            command,
            cwd=cwd,
            env={**os.environ, **(settings or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise BulletinError(f"{command[0]} is not installed here.", hint="Install it and try again.") from None
    if done.returncode and check:
        words = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise BulletinError(
            f"{command[0]} could not do it: {words[0]}", hint="What was published before stands as it was."
        )
    return done.stdout
