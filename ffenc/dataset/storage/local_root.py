"""Refuse URLs where the directory of a dataset is expected, and name the commands that fetch or upload the dataset."""

from __future__ import annotations

from pathlib import Path

from ffenc.errors import DatasetError
from ffenc.urls import HUB_CLIENT, HubUrl, as_url, hub_download, refusal

VERSION_TAG = "v3.0"
"""The tag from which LeRobot downloads a dataset of this version."""

OLD_VERSION_TAG = "v2.1"
"""The tag of a dataset that `ffenc.upgrade_dataset` converts."""


def check_local(root: str | Path, *, tag: str = VERSION_TAG, written: bool = False) -> None:
    """Refuse a URL.

    Args:
        root: a path, or a URL.
        tag: the tag to fetch, unless the URL names a revision.
        written: the dataset is to be written there.

    Raises:
        DatasetError: ``root`` is a URL.  For a dataset on the Hugging Face Hub, the message has the commands that fetch it,
            or that upload it if it is ``written``.
    """
    url = as_url(root)
    if url is None:
        return
    hub = HubUrl.of(url)
    if hub is None:
        message = refusal(url, written=written)
    elif written:
        what = "name a local directory, then upload the dataset"
        message = _with_commands(url, what, upload_commands(hub.repo, hub.directory))
    else:
        commands = fetch_commands(hub.repo, hub.directory, hub.revision or tag)
        message = _with_commands(url, "fetch the dataset first, then give its directory", commands)
    raise DatasetError(message, path=Path(root))


def _with_commands(url: str, what: str, commands: tuple[str, ...]) -> str:
    first = f"{url} is a URL, but ffenc reads and writes local files only; {what}:"
    return "\n".join([first, *(f"  {command}" for command in commands)])


def fetch_commands(repo: str, directory: str, revision: str) -> tuple[str, str]:
    """Return the commands that install the Hub's command line and download a dataset."""
    return HUB_CLIENT, hub_download(repo, directory, revision=revision)


def upload_commands(repo: str, directory: str) -> tuple[str, ...]:
    """Return the commands that install the Hub's command line, upload a dataset, and give it the tag of its version."""
    return (
        HUB_CLIENT,
        f"hf upload {repo} {directory} . --repo-type=dataset",
        f"hf repos tag create {repo} {VERSION_TAG} --repo-type=dataset",
    )
