"""Where WordNet comes from: it is there, NLTK downloads it, or Debian's packages hold it."""

from __future__ import annotations

import io
import os
import shutil
import socket
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from promptdsl.errors import fail, printable
from promptdsl.knowledge.debian import UnavailableError, from_installed, from_packages
from promptdsl.knowledge.reader import FILES, LOCK, find_wordnet, refused

__all__ = ["Installed", "data_folder", "install"]

PROBE = 3.0  # seconds until a network that does not answer counts as none


@dataclass(frozen=True, slots=True)
class Installed:
    """Where WordNet is, and how it came there: "" if it was there before."""

    path: str
    how: str

    def __str__(self) -> str:
        return f"WordNet {self.how or 'is already there'}: {self.path}"


def data_folder() -> Path:
    """The user's folder of NLTK's data: the first of $NLTK_DATA if it can be written to, else `~/nltk_data`."""
    first = os.environ.get("NLTK_DATA", "").split(os.pathsep)[0]
    if first:
        folder = Path(first).expanduser()
        there = next((f for f in (folder, *folder.parents) if f.exists()), folder)
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            return folder
    try:
        return Path.home() / "nltk_data"
    except RuntimeError:
        fail("PD804", "this account has no home folder to put WordNet in", help="set NLTK_DATA to a folder of yours",
             origin="file")  # fmt: skip


def install() -> Installed:
    """Make sure that NLTK finds WordNet: keep what is there, else fetch it; this may use the network.

    The files are written beside their place and moved there in one step, so that other processes see all or nothing,
    and of two that install at once both succeed.

    Raises `VerbalizerError` PD430 that says what was tried; `FileError` PD804 where the folder cannot be written.
    """
    found = find_wordnet()
    if found:
        return Installed(found, "")
    folder = data_folder()
    tried = []
    for how, source in SOURCES:
        try:
            _from(source, folder)
        except UnavailableError as reason:
            tried.append(f"{how}: {reason}")
        except OSError as error:
            fail("PD804", f"WordNet cannot be written to {folder}: {error.strerror or error}",
                 help="set NLTK_DATA to a folder of yours", origin="file")  # fmt: skip
        else:
            return Installed(_found(folder), how)
    fail("PD430", "WordNet is not on this machine and cannot be fetched", note="; ".join(tried), origin="verbalizer",
         help="with a network, run `promptdsl wordnet` again; or copy nltk_data/corpora/wordnet from a machine that has"
         f" it to {folder}/corpora")  # fmt: skip


def _from(source: Callable[[Path, Path], None], folder: Path) -> None:
    """Let a source fill a new folder, and move that to its place."""
    corpora = folder / "corpora"
    for part in (folder, corpora):  # NLTK reads nothing where others can write, whatever the umask says
        if not part.is_dir():
            part.mkdir(parents=True, exist_ok=True)
            part.chmod(0o755)
    new = Path(tempfile.mkdtemp(prefix=".wordnet-", dir=corpora))
    try:
        with tempfile.TemporaryDirectory(prefix="promptdsl-") as scratch:
            source(new, Path(scratch))
        for file in new.iterdir():
            file.chmod(0o644)
        new.chmod(0o755)
        _move(new, corpora / "wordnet")
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _move(new: Path, place: Path) -> None:
    """Move a complete folder to its place, unless another process was first; what is incomplete there goes."""
    if place.exists() and not _complete(place):
        broken = Path(tempfile.mkdtemp(prefix=".wordnet-", dir=place.parent))
        place.replace(broken / place.name)
        shutil.rmtree(broken, ignore_errors=True)
    try:
        new.replace(place)
    except OSError:
        if not _complete(place):
            raise


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def _found(folder: Path) -> str:
    """Where NLTK finds what was just written to the data folder."""
    import nltk.data

    with LOCK:
        if os.fspath(folder) not in nltk.data.path:
            nltk.data.path.append(os.fspath(folder))
    found = find_wordnet()
    if found is None:
        fail("PD430", f"WordNet was written to {folder}, and NLTK does not find it there", note=refused() or "",
             help="set NLTK_DATA to a folder of yours that nobody else can write to", origin="verbalizer")  # fmt: skip
    return found


def _from_nltk(target: Path, scratch: Path) -> None:
    """NLTK's own download, its archive unpacked. Raises `UnavailableError`."""
    import nltk
    from nltk.downloader import Downloader

    if not _answers(Downloader.DEFAULT_URL):
        raise UnavailableError("no connection")
    said = io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = nltk.download("wordnet", download_dir=os.fspath(scratch), quiet=True, print_error_to=said)
    except (OSError, ValueError) as error:
        raise UnavailableError(printable(str(error), 90)) from None
    if not done:
        raise UnavailableError(printable(" ".join(said.getvalue().split()), 90) or "the download failed")
    try:
        with zipfile.ZipFile(scratch / "corpora" / "wordnet.zip") as archive:
            for name in FILES:
                (target / name).write_bytes(archive.read(f"wordnet/{name}"))
    except (KeyError, ValueError, EOFError, FileNotFoundError, zipfile.BadZipFile) as error:
        raise UnavailableError(f"the archive cannot be used: {printable(str(error), 60)}") from None


def _answers(url: str) -> bool:
    """Whether the address, or the proxy that leads to it, takes a connection within seconds; looking up names too."""
    address = urlsplit(url)
    proxy = getproxies().get(address.scheme)
    through = urlsplit(proxy if "//" in proxy else f"//{proxy}") if proxy else address
    port = through.port or (443 if through.scheme == "https" else 80)
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((through.hostname or "", port), timeout=PROBE).close()
        except (OSError, ValueError):
            return
        answered.set()

    trial = threading.Thread(target=connect, daemon=True)  # looking up a name knows no timeout of its own
    trial.start()
    trial.join(PROBE)
    return answered.is_set()


# How it came there → what fills a folder with the database's files, with a scratch folder to work in; the first that
# can wins.
SOURCES: tuple[tuple[str, Callable[[Path, Path], None]], ...] = (
    ("downloaded by NLTK", _from_nltk),
    ("copied from Debian's installed packages", from_installed),
    ("fetched from Debian's packages wordnet-base and wordnet-sense-index", from_packages),
)
