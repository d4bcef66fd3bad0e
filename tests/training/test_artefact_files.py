"""The files of an artefact: killed writers, flipped bits, hostile folders."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from promptdsl.errors import FileError, PromptDSLError
from promptdsl.models.artefact_files import DIGEST, FILES, RECORD, TENSORS, read_files, stored_table, write_files
from promptdsl.training.artefact import load

SOFT = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path / "artefact", {"version": 1}, {"soft": SOFT})
    return tmp_path / "artefact"


def sealed(folder: Path, text: bytes) -> None:
    """Put a record into a folder with the digest that it should have."""
    (folder / RECORD).write_bytes(text)
    (folder / DIGEST).write_text(f"{hashlib.sha256(text).hexdigest()}  {RECORD}\n")


def with_tensors(folder: Path, packed: bytes) -> None:
    """Put other tensors into a folder, with all digests as they should be."""
    record = json.loads((folder / RECORD).read_text())
    record["tensors"] = {"sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed)}
    (folder / TENSORS).write_bytes(packed)
    sealed(folder, json.dumps(record).encode())


def refused(folder: Path) -> str:
    with pytest.raises(FileError) as caught:
        read_files(folder)
    return caught.value.code


def test_a_writer_that_is_killed_leaves_the_old_version_or_the_new_one(tmp_path: Path) -> None:
    """At every call that changes files, over an old version, over none, and over what a killed writer left."""
    program = Path(__file__).with_name("artefact_writer.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 150
    for before, after, written, step, torn in found:
        assert after in (before, written), (before, after, written, step, torn)
        assert step is not None or after == written  # who was not killed has written
    assert {(b, a) for b, a, _, step, _ in found if step is not None} >= {
        (1, 1),
        (1, 2),
        (None, None),
        (None, 2),
        (2, 3),
    }


def test_what_is_written_is_read(folder: Path) -> None:
    stored = read_files(folder)
    assert stored.record["version"] == 1 and torch.equal(stored.tensors["soft"], SOFT)
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)
    text = (folder / RECORD).read_bytes()
    assert (folder / DIGEST).read_text() == f"{hashlib.sha256(text).hexdigest()}  {RECORD}\n"
    assert json.loads(text)["tensors"]["sha256"] == hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_seen_wherever_it_is(folder: Path, data: st.DataObject) -> None:
    path = folder / data.draw(st.sampled_from(FILES))
    whole = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
    try:
        assert refused(folder) == "PD831"
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_file_that_is_cut_or_longer_is_seen(folder: Path, name: str, length: int) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:length] if length else b"")
    assert refused(folder) == "PD831"
    (folder / name).write_bytes(whole + b"\n")
    assert refused(folder) == "PD831"


def test_a_missing_file_is_seen(folder: Path) -> None:
    for name, code in ((TENSORS, "PD831"), (DIGEST, "PD831"), (RECORD, "PD830")):
        (folder / name).unlink()
        assert refused(folder) == code
    assert refused(folder / "nowhere") == "PD830"


def test_a_newer_schema_is_refused_before_its_files_are_looked_at(folder: Path) -> None:
    sealed(folder, b'{"schema": 2, "files": "other ones"}')
    assert refused(folder) == "PD832"


@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"{", b"\xff", b'"a"', b"{}", b'{"schema": true}', b'{"schema": "1"}', b'{"schema": 0}',
        b'{"schema": 1.0}', b'{"schema": NaN}', b"[" * 100_000, b'{"schema": 1}',
        b'{"schema": 1, "tensors": {"sha256": 1, "bytes": 1e9}}',
        b'{"schema": ' + b"9" * 5000 + b"}", b'{"schema": 1, "tensors": {"bytes": -1, "sha256": ""}}',
    ],
)  # fmt: skip
def test_a_record_of_another_shape(folder: Path, text: bytes) -> None:
    sealed(folder, text)
    assert refused(folder) == "PD835"


@pytest.mark.parametrize(
    "packed",
    [
        b"x", b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]",
        save({"soft": torch.tensor([float("nan")])}), save({"soft": torch.tensor([float("inf")])}),
        (88).to_bytes(8, "little")
        + b'{"soft":{"dtype":"F32","shape":[99999999,9],"data_offsets":[0,3599999964]}}'.ljust(88) + b"\0" * 8,
    ],
)  # fmt: skip
def test_tensors_that_are_none(folder: Path, packed: bytes) -> None:
    with_tensors(folder, packed)
    assert refused(folder) == "PD835"


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_out_of_the_folder(folder: Path, name: str) -> None:
    outside = folder.with_name("outside")
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    assert refused(folder) == "PD836"
    assert torch.equal(read_files(folder, within=folder.parent).tensors["soft"], SOFT)  # as in a hub's cache


def test_what_is_no_plain_file(folder: Path) -> None:
    (folder / TENSORS).unlink()
    (folder / TENSORS).mkdir()
    assert refused(folder) in ("PD836", "PD803")
    (folder / TENSORS).rmdir()
    os.mkfifo(folder / TENSORS)  # reading it would wait for ever
    assert refused(folder) == "PD836"
    (folder / TENSORS).unlink()
    (folder / TENSORS).symlink_to(TENSORS)
    assert refused(folder) in ("PD803", "PD831", "PD836")


def test_a_link_in_the_place_of_a_new_file_is_not_followed(folder: Path) -> None:
    outside = folder.with_name("precious")
    outside.write_text("kept")
    (folder / f"{RECORD}.new").symlink_to(outside)
    write_files(folder, {"version": 2}, {"soft": SOFT})
    assert outside.read_text() == "kept" and read_files(folder).record["version"] == 2


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_system_that_refuses_leaves_the_old_version(folder: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at each of the calls in turn."""
    real = getattr(os, call)
    for step in range(12):
        left = [step]

        def full(*given: Any, left: list[int] = left, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(28, "No space left on device")
            return real(*given, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            try:
                write_files(folder, {"version": step + 2}, {"soft": SOFT + step})
            except FileError as error:
                assert error.code == "PD804"
        found = read_files(folder)
        version = found.record["version"]
        assert version in (1, *range(2, step + 3))
        assert torch.equal(found.tensors["soft"], SOFT if version == 1 else SOFT + (version - 2))
    assert read_files(folder).record["version"] == 13  # the last one had enough calls


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(FileError, match="PD804"):
        write_files(tmp_path / "file", {}, {})
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("given", [{"a": float("nan")}, {"a": object()}, {"a": {1: {2}}}])
def test_what_json_does_not_know_changes_nothing(folder: Path, given: dict[str, Any]) -> None:
    with pytest.raises(FileError, match="PD839"):
        write_files(folder, given, {})
    with pytest.raises(FileError, match="PD839"):
        write_files(folder, {}, {"soft": torch.tensor([float("inf")])})
    assert read_files(folder).record["version"] == 1


def test_a_table_for_others_to_start_from(folder: Path) -> None:
    assert torch.equal(stored_table(folder, "soft", 3), SOFT)
    for name, width in (("soft", 4), ("prefix", 3)):
        with pytest.raises(FileError, match="PD837"):
            stored_table(folder, name, width)


@pytest.mark.parametrize("name", ["\0", "a" * 5000, "", "/proc/self/mem/x"])
def test_names_that_no_system_takes(name: str) -> None:
    with pytest.raises(PromptDSLError):
        load(name)
