"""WordNet from Debian: the files of its packages wordnet-base and wordnet-sense-index, installed or fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from promptdsl.errors import printable
from promptdsl.knowledge.reader import FILES

__all__ = ["INSTALLED", "LEXNAMES", "UnavailableError", "from_installed", "from_packages"]

INSTALLED = Path("/usr/share/wordnet")  # where Debian and its relatives put the files
PACKAGES = ("wordnet-base", "wordnet-sense-index")
PATIENCE = 300  # seconds that one step may take

# The lexicographer files, in the order of their numbers (lexnames(5WN)). The packages lack this table, NLTK reads it.
_NAMES = """
adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition
noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person
noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state
noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption
verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative
verb.weather adj.ppl
"""
_CATEGORIES = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
LEXNAMES = "".join(
    f"{number:02d}\t{name}\t{_CATEGORIES[name.partition('.')[0]]}\n" for number, name in enumerate(_NAMES.split())
)


class UnavailableError(Exception):
    """A source of WordNet that cannot be had here; its text says why."""


def from_installed(target: Path, scratch: Path) -> None:
    """Copy what the installed packages hold to the folder `target`. Raises `UnavailableError`."""
    _copy(INSTALLED, target, "the packages are not installed")


def from_packages(target: Path, scratch: Path) -> None:
    """Fetch the packages with apt-get, unpack them in `scratch`, copy to `target`; installs nothing, needs no root.

    Where the system's package lists do not know the packages (a container's are often empty), lists are fetched into
    `scratch`. apt-get checks the packages' signatures as ever. Raises `UnavailableError`.
    """
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if not apt or not dpkg:
        raise UnavailableError("apt-get is not there" if not apt else "dpkg-deb is not there")
    scratch.chmod(0o755)  # apt-get fetches as a user of its own
    own = [f"Dir::State::lists={scratch}/lists", f"Dir::Cache={scratch}/cache"]
    for folder in ("lists/partial", "cache/archives/partial", "unpacked"):
        (scratch / folder).mkdir(parents=True)
    settings = ["-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
    private = [part for setting in own for part in ("-o", setting)]
    try:
        _run([apt, *settings, "download", *PACKAGES], scratch)
    except UnavailableError:
        _run([apt, *settings, *private, "update"], scratch)
        _run([apt, *settings, *private, "download", *PACKAGES], scratch)
    for package in sorted(scratch.glob("*.deb")):
        _run([dpkg, "-x", os.fspath(package), os.fspath(scratch / "unpacked")], scratch)
    _copy(scratch / "unpacked" / INSTALLED.relative_to("/"), target, "the packages do not hold WordNet's files")


def _copy(folder: Path, target: Path, otherwise: str) -> None:
    """Copy the database's files, and write the one that Debian leaves out."""
    wanted = [name for name in FILES if name != "lexnames"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise UnavailableError(otherwise if len(missing) == len(wanted) else f"{folder} lacks {', '.join(missing)}")
    for name in wanted:
        shutil.copyfile(folder / name, target / name)
    (target / "lexnames").write_text(LEXNAMES, encoding="ascii")


def _run(command: Sequence[str], folder: Path) -> None:
    """Run a program, silent and without a terminal. Raises `UnavailableError` with the last line of what it said."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    name = f"{Path(command[0]).name} {next((c for c in command[1:] if c in ('update', 'download', '-x')), '')}"
    try:
        ran = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{name} took longer than {PATIENCE} seconds") from None
    except OSError as error:
        raise UnavailableError(f"{name}: {error.strerror or error}") from None
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").split("\n")
        errors = [line.removeprefix("E: ") for line in said if line.startswith("E: ")] or [x for x in said if x]
        raise UnavailableError(f"{name}: {printable(errors[0], 90) if errors else f'exit code {ran.returncode}'}")
