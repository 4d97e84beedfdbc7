"""Adapters on the Hugging Face hub: download the files that count, upload what was saved."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from modbench.errors import ModbenchError, reason


def download(
    repo_id: str,
    files: list[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder with those of `files` that the hub repository has.

    Raises ModbenchError if there is no such repository or revision, or if the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = snapshot_download(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=files,
        )
    except HFValidationError:
        raise ModbenchError(f"no adapter folder at {repo_id}") from None
    except Exception as error:
        raise ModbenchError(f"no adapter at {repo_id}: no such folder, and the hub says: {reason(error)}") from None
    return Path(folder)


def upload(
    save: Callable[[Path], object],
    repo_id: str,
    *,
    private: bool | None = None,
    commit_message: str = "Upload adapter",
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> str:
    """Uploads what `save` writes into the folder that it is given; returns the address of the commit.

    The repository is made if there is none, and the branch `revision` likewise. Raises ModbenchError if the hub
    refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        try:
            repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            if revision is not None and not create_pr:
                api.create_branch(repo, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=commit_message,
                revision=revision,
                create_pr=create_pr,
            )
        except Exception as error:
            raise ModbenchError(f"cannot upload the adapter to {repo_id}: {reason(error)}") from None
    return str(commit)
