"""Artefacts on a hub of models: fetched into its cache, pushed from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.models.artefact_files import FILES
from promptdsl.models.hub import hub_is_reachable
from promptdsl.training.card import CARD

__all__ = ["Fetched", "fetched", "pushed"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An artefact that lies on this machine.

    Attributes:
        folder: where.
        within: where its files may lead to: the hub's cache keeps links to them.
        from_hub: whether a stranger may have written it.
    """

    folder: Path
    within: Path
    from_hub: bool

    def __str__(self) -> str:
        return f"{self.folder}{' from the hub' if self.from_hub else ''}"


def fetched(name: str | Path, revision: str | None = None) -> Fetched:
    """An artefact's folder: the one of this name, else what the hub has under it. Only its own files are fetched.

    Raises:
        FileError: PD830 for a path that leads nowhere, PD838 if the hub has no such artefact or cannot be reached.
    """
    shown, folder = printable(str(name), 100), Path(name).expanduser()
    try:
        there = folder.exists()
    except (OSError, ValueError):
        there = False
    if there:
        return Fetched(folder, folder, False)
    if isinstance(name, Path) or name[:1] in ("", ".", "/", "~") or name.count("/") != 1:
        remedy = 'check the path; on the hub an artefact is called "owner/name"'
        fail("PD830", f'there is no artefact "{shown}"', help=remedy, origin="file")
    from huggingface_hub import snapshot_download

    options: dict[str, Any] = {"allow_patterns": list(FILES), "local_files_only": not hub_is_reachable()}
    try:
        snapshot = Path(snapshot_download(name, revision=revision, **options))
    except (OSError, ValueError, RuntimeError) as error:  # the hub's errors are kinds of these
        _refused(f'the artefact "{shown}" cannot be fetched', error)
    return Fetched(snapshot, snapshot.parent.parent, True)


def pushed(
    folder: Path,
    name: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str = "Upload a prompt",
) -> str:
    """Upload an artefact and its card, as one commit, to a repository that is made if it is not there.

    Args:
        folder: where the artefact is.
        name: "owner/name".
        private: whether a new repository is; by default as the owner has it.
        token: the hub's; by default the one that was logged in with.
        revision: the branch; by default the main one.
        commit_message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        FileError: PD838 if the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        repository = api.create_repo(name, private=private, exist_ok=True).repo_id
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=[*FILES, CARD],
            revision=revision,
            commit_message=commit_message,
        )
    except (OSError, ValueError, RuntimeError) as error:
        _refused(f'"{printable(str(name), 100)}" cannot be pushed to', error)
    return str(done.commit_url)


def _refused(what: str, error: Exception) -> NoReturn:
    note = printable(str(error).strip().split("\n")[0], 200)
    fail("PD838", what, help="check the name, the token and the network", note=note, origin="hub")
