"""How WordNet comes to its place, with sources that the tests make themselves: no network, no package registry."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptdsl.errors import FileError, VerbalizerError
from promptdsl.knowledge import debian, source
from promptdsl.knowledge.debian import LEXNAMES, UnavailableError
from promptdsl.knowledge.reader import FILES, find_wordnet

if TYPE_CHECKING:
    from conftest import Database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of NLTK's data, the only one that NLTK knows of."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "data")])
    return tmp_path / "data"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def fill(target: Path, scratch: Path) -> None:
    """A source that has it all."""
    for name in FILES:
        (target / name).write_text(f"{name} of the source")


def nothing(target: Path, scratch: Path) -> None:
    """A source that has written a little before it found out that it has nothing."""
    (target / "lexnames").write_text("half of a ta")
    raise UnavailableError("no luck")


Sources = tuple[tuple[str, Callable[[Path, Path], None]], ...]


def use(monkeypatch: pytest.MonkeyPatch, *sources: tuple[str, Callable[[Path, Path], None]]) -> None:
    monkeypatch.setattr(source, "SOURCES", sources)


def test_what_is_there_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "corpora" / "wordnet"
    place.mkdir(parents=True)
    fill(place, folder)
    use(monkeypatch)
    assert str(source.install()) == f"WordNet is already there: {place}"


def test_an_archive_counts_as_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora = folder / "corpora"
    corpora.mkdir(parents=True)
    with zipfile.ZipFile(corpora / "wordnet.zip", "w") as archive:
        archive.writestr("wordnet/", "")
        for name in FILES:
            archive.writestr(f"wordnet/{name}", "text")
    use(monkeypatch)
    assert source.install() == source.Installed(str(corpora / "wordnet.zip"), "")


def test_the_first_source_that_can_wins_and_leaves_no_traces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ("borrowed", nothing), ("bought", fill), ("stolen", nothing))
    mask = os.umask(0o002)
    try:
        shown = str(source.install())
    finally:
        os.umask(mask)
    place = folder / "corpora" / "wordnet"
    assert shown == f"WordNet bought: {place}"
    assert names(place) == sorted(FILES)
    assert names(folder / "corpora") == ["wordnet"]
    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "corpora", place, place / "lexnames")
    }
    assert list(modes.values()) == [0o755, 0o755, 0o755, 0o644]  # NLTK reads nothing where others can write
    assert (place / "lexnames").read_text() == "lexnames of the source"


def test_an_incomplete_folder_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "corpora" / "wordnet"
    place.mkdir(parents=True)
    (place / "data.noun").write_text("the first half")
    assert find_wordnet() is None
    use(monkeypatch, ("bought", fill))
    assert source.install().how == "bought"
    assert (place / "data.noun").read_text() == "data.noun of the source"
    assert names(folder / "corpora") == ["wordnet"]


def test_of_two_that_install_at_once_the_first_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "corpora" / "wordnet"

    def overtaken(target: Path, scratch: Path) -> None:
        fill(target, scratch)
        place.mkdir()
        fill(place, scratch)
        (place / "lexnames").write_text("of the other process")

    use(monkeypatch, ("bought", overtaken))
    assert source.install().path == str(place)
    assert (place / "lexnames").read_text() == "of the other process"
    assert names(folder / "corpora") == ["wordnet"]


def test_where_nothing_can_the_error_says_what_was_tried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ("borrowed", nothing), ("bought", nothing))
    with pytest.raises(VerbalizerError) as caught:
        source.install()
    first, remedy, note = str(caught.value).split("\n")
    assert first == "PD430 WordNet is not on this machine and cannot be fetched"
    assert remedy.startswith("  = help: with a network, run `promptdsl wordnet` again; or copy nltk_data/corpora/word")
    assert note == "  = note: borrowed: no luck; bought: no luck"
    assert names(folder / "corpora") == []


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("a file where the folder should be")
    (Path.home() / "nltk_data").write_text("here too")
    use(monkeypatch, ("bought", fill))
    with pytest.raises(FileError) as caught:
        source.install()
    assert caught.value.code == "PD804"
    assert "set NLTK_DATA to a folder of yours" in str(caught.value)


@pytest.mark.filterwarnings("ignore:NLTK will not read:RuntimeWarning")
def test_a_folder_that_others_can_write_to_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    use(monkeypatch, ("bought", fill))
    try:
        source.install()
    except VerbalizerError as error:  # NLTK from 3.10 on
        assert error.code == "PD430"
        assert f"NLTK refuses {folder}" in str(error) and "chmod go-w" in str(error)
    else:
        assert find_wordnet() == str(folder / "corpora" / "wordnet")


def test_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (
        (str(tmp_path / "new" / "deep"), tmp_path / "new" / "deep"),
        (f"{tmp_path}{os.pathsep}/other", tmp_path),
        ("", tmp_path / "nltk_data"),
        (str(file), tmp_path / "nltk_data"),
        ("~/mine", tmp_path / "mine"),
    ):
        monkeypatch.setenv("NLTK_DATA", value)
        assert source.data_folder() == expected


# NLTK's own download


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_answers", lambda url: True)


def test_the_archive_of_nltk_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: None
) -> None:
    def download(name: str, download_dir: str, **options: Any) -> bool:
        assert (name, options["quiet"]) == ("wordnet", True)
        corpora = Path(download_dir) / "corpora"
        corpora.mkdir()
        with zipfile.ZipFile(corpora / "wordnet.zip", "w") as archive:
            for file in (*FILES, "README", "../evil"):
                archive.writestr(f"wordnet/{file}", f"{file} of NLTK")
        return True

    monkeypatch.setattr("nltk.download", download)
    assert source.install().how == "downloaded by NLTK"
    place = folder / "corpora" / "wordnet"
    assert (place / "data.adj").read_text() == "data.adj of NLTK"
    assert names(place) == sorted(FILES)


def _fails(name: str, print_error_to: Any, **options: Any) -> bool:
    print_error_to.write("[nltk_data] Error loading wordnet: <no route\nto host>\n")
    return False


def _raises(name: str, **options: Any) -> bool:
    raise OSError("no route to host")


def _empty(name: str, download_dir: str, **options: Any) -> bool:
    (Path(download_dir) / "corpora").mkdir()
    (Path(download_dir) / "corpora" / "wordnet.zip").write_bytes(b"not an archive")
    return True


def _absent(name: str, **options: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("download", "reason"),
    [
        (_fails, "[nltk_data] Error loading wordnet: <no route to host>"),
        (_raises, "no route to host"),
        (_empty, "the archive cannot be used: File is not a zip file"),
        (_absent, "the archive cannot be used: "),
    ],
)
def test_a_download_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: None, download: Any, reason: str
) -> None:
    monkeypatch.setattr("nltk.download", download)
    (tmp_path / "target").mkdir()
    with pytest.raises(UnavailableError) as caught:
        source._from_nltk(tmp_path / "target", tmp_path)
    assert str(caught.value).startswith(reason)


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_whether_an_address_answers(listener: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
        assert source._answers(f"http://127.0.0.1:{listener}/index.xml")
        assert not source._answers(f"http://127.0.0.1:{closed}/index.xml")
        for proxy in (f"http://127.0.0.1:{listener}", f"127.0.0.1:{listener}"):
            monkeypatch.setenv("http_proxy", proxy)
            assert source._answers(f"http://127.0.0.1:{closed}/index.xml")


# Debian's packages


def test_the_table_that_debian_leaves_out(database: Database) -> None:
    """45 lines; each lexicographer file's syntactic category is that of the data file where its synsets stand."""
    rows = [line.split("\t") for line in LEXNAMES.splitlines()]
    assert LEXNAMES.startswith("00\tadj.all\t3\n01\tadj.pert\t3\n02\tadv.all\t4\n03\tnoun.Tops\t1\n")
    assert LEXNAMES.endswith("\n43\tverb.weather\t2\n44\tadj.ppl\t3\n")
    assert rows[18] == ["18", "noun.person", "1"]
    assert [number for number, *_ in rows] == [f"{number:02d}" for number in range(45)]
    for category, kind in enumerate(("noun", "verb", "adj", "adv"), 1):
        lines = database.read(f"data.{kind}").decode().split("\n")
        used = {line[9:11] for line in lines if line and not line.startswith("  ")}
        assert used == {number for number, _, own in rows if own == str(category)}


def installed(folder: Path) -> Path:
    """What the two packages install, in a folder."""
    folder.mkdir(parents=True)
    for name in (*FILES, "sents.vrb", "cntlist"):
        if name != "lexnames":
            (folder / name).write_text(f"{name} of Debian")
    return folder


def test_installed_packages_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "INSTALLED", installed(tmp_path / "share" / "wordnet"))
    (tmp_path / "target").mkdir()
    debian.from_installed(tmp_path / "target", tmp_path)
    assert names(tmp_path / "target") == sorted(FILES)
    assert (tmp_path / "target" / "lexnames").read_text() == LEXNAMES
    assert (tmp_path / "target" / "index.verb").read_text() == "index.verb of Debian"


def test_one_package_of_the_two_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = installed(tmp_path / "wordnet")
    (folder / "index.sense").unlink()
    monkeypatch.setattr(debian, "INSTALLED", folder)
    with pytest.raises(UnavailableError, match=re.escape(f"{folder} lacks index.sense")):
        debian.from_installed(tmp_path, tmp_path)
    shutil.rmtree(folder)
    with pytest.raises(UnavailableError, match=r"^the packages are not installed$"):
        debian.from_installed(tmp_path, tmp_path)


APT = """#!/bin/sh
echo "apt-get $*" >> "$LOG"
case "$*" in
  *"Dir::State::lists="*download*) touch wordnet-base_3.0_all.deb wordnet-sense-index_3.0_all.deb ;;
  *update*) [ -z "$OFFLINE" ] || { echo "W: slow" >&2; echo "E: Could not resolve the host" >&2; exit 100; } ;;
  *) echo "E: Unable to locate package wordnet-base" >&2; exit 100 ;;
esac
"""
DPKG = """#!/bin/sh
echo "dpkg-deb $1 $(basename "$2")" >> "$LOG"
mkdir -p "$3/usr/share" && cp -r "$DEBIAN" "$3/usr/share/wordnet"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """apt-get without package lists of its own, and dpkg-deb; what was called is in a file."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, text in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DEBIAN", str(installed(tmp_path / "debian")))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return bin_folder


def places(tmp_path: Path) -> tuple[Path, Path]:
    target, scratch = tmp_path / "target", tmp_path / "scratch"
    target.mkdir()
    scratch.mkdir()
    return target, scratch


def test_packages_are_fetched_with_lists_of_their_own_where_the_system_has_none(tmp_path: Path, programs: Path) -> None:
    target, scratch = places(tmp_path)
    debian.from_packages(target, scratch)
    assert (target / "data.noun").read_text() == "data.noun of Debian"
    assert names(target) == sorted(FILES)
    calls = (tmp_path / "log").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["apt-get"] * 3 + ["dpkg-deb"] * 2
    assert ["update" in call for call in calls[:3]] == [False, True, False]
    assert [f"Dir::State::lists={scratch}/lists" in call for call in calls[:3]] == [False, True, True]
    assert calls[0].endswith("download wordnet-base wordnet-sense-index")
    assert [call.split()[-1][:12] for call in calls[3:]] == ["wordnet-base", "wordnet-sens"]


def test_without_a_network_apt_says_why(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINE", "1")
    with pytest.raises(UnavailableError, match=r"^apt-get update: Could not resolve the host$"):
        debian.from_packages(*places(tmp_path))


def test_without_the_programs(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, scratch = places(tmp_path)
    monkeypatch.setenv("PATH", str(programs))
    (programs / "dpkg-deb").unlink()
    with pytest.raises(UnavailableError, match=r"^dpkg-deb is not there$"):
        debian.from_packages(target, scratch)
    (programs / "apt-get").unlink()
    with pytest.raises(UnavailableError, match=r"^apt-get is not there$"):
        debian.from_packages(target, scratch)


def test_a_program_that_never_ends(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (programs / "apt-get").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(debian, "PATIENCE", 0.2)
    with pytest.raises(UnavailableError, match=r"^apt-get update took longer than 0\.2 seconds$"):
        debian.from_packages(*places(tmp_path))
