"""Folders on the Hugging Face hub: "hub:OWNER/NAME", with a folder in it and a revision where needed, as in
"hub:OWNER/NAME/feature@v1". They are read from the hub's cache, where each commit has a folder."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gradiend_core.errors import ConfigError, StorageError

T = TypeVar("T")

HUB = "hub:"
#: what the hub shows of a repository
CARD = "README.md"
NAME = re.compile(r"hub:([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)(?:@(\S+))?")
#: with one of these, the hub is reached another way
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def is_on_hub(name: str | Path) -> bool:
    """Whether a name refers to a folder on the hub."""
    return str(name).startswith(HUB)


def local_folder(name: str | Path) -> Path:
    """The local folder of that name; one on the hub is downloaded, unless it is in the cache. Raises
    StorageError where that fails."""
    if not is_on_hub(name):
        return Path(name)
    match = NAME.fullmatch(str(name))
    if match is None:
        raise StorageError(
            f"{str(name)!r} names no folder of the hub; give hub:OWNER/NAME, hub:OWNER/NAME/FOLDER or"
            " hub:OWNER/NAME@REVISION"
        )
    repository, folder, revision = match[1], match[2].strip("/"), match[3]
    if {*folder.split("/")} & {".", ".."}:
        raise StorageError(f"{str(name)!r} names a folder outside of the repository")
    from huggingface_hub import snapshot_download

    patterns = f"{folder}/*" if folder else None
    snapshot = _asked(
        str(name),
        lambda: snapshot_download(repository, revision=revision, allow_patterns=patterns),
        lambda: snapshot_download(
            repository, revision=revision, allow_patterns=patterns, local_files_only=True
        ),
    )
    if not (path := Path(snapshot) / folder).is_dir():
        raise StorageError(f"{repository} on the hub has no folder {folder!r}")
    return path


def expect_reachable() -> None:
    """Raises OSError at once where the hub cannot be reached; the hub's library would try for half a
    minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or any(os.environ.get(variable) for variable in PROXIES):
        return
    host = urlsplit(constants.ENDPOINT)
    port = host.port or (80 if host.scheme == "http" else 443)
    try:
        socket.create_connection((host.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise OSError(f"{host.hostname} cannot be reached") from error


def upload(
    folder: Path,
    repository: str,
    *,
    card: str,
    ignored: Sequence[str],
    private: bool | None,
    revision: str | None,
) -> str:
    """Creates a repository from a folder, or a commit in an existing one. A `card`, unless empty, replaces
    the folder's. Returns the address of the commit. Raises ConfigError for an invalid name, and StorageError
    where the hub refuses the upload."""
    repository = repository.removeprefix(HUB)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ConfigError(f"{repository!r} names no repository of the hub; give OWNER/NAME")
    from huggingface_hub import CommitOperationAdd, HfApi

    def pushed() -> str:
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        contents: dict[str, str | bytes] = {path.relative_to(folder).as_posix(): str(path) for path in files}
        contents |= {CARD: card.encode()} if card else {}
        operations = [
            CommitOperationAdd(name, content)
            for name, content in contents.items()
            if not any(fnmatch(name, pattern) for pattern in ignored)
        ]
        commit = api.create_commit(
            repository, operations, commit_message="Written by gradiend-core", revision=revision
        )
        return str(commit.commit_url)

    return _asked(repository, pushed)


def _asked(name: str, ask: Callable[[], T], offline: Callable[[], T] | None = None) -> T:
    """The answer of the hub; without a connection, that of the cache. Raises StorageError with the reason."""
    try:
        try:
            expect_reachable()
        except OSError:
            if offline is None:
                raise
            return offline()
        return ask()
    except Exception as error:  # the hub's library has two dozen kinds
        raise StorageError(f"{name!r}: {_reason(error)}") from error


def _reason(error: Any) -> str:
    """The first line with content."""
    response = getattr(error, "response", None)
    if response is not None and response.status_code in (401, 403):
        return "the hub refuses it; log in with `hf auth login`, or check that the name is right"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
