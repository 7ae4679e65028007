"""Refuse URLs where the directory of a dataset is expected, and name the commands that fetch or upload the dataset."""

from __future__ import annotations

import re
from pathlib import Path

from ffenc.errors import DatasetError
from ffenc.regular_files import as_url

VERSION_TAG = "v3.0"
"""The tag from which LeRobot downloads a dataset of this version."""

OLD_VERSION_TAG = "v2.1"
"""The tag of a dataset that `ffenc.upgrade_dataset` converts."""

_HUB = re.compile(
    r"(?:hf:/+(?:datasets/)?|https?:/+(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/)"
    r"(?!(?:datasets|models|spaces|buckets|kernels)/)"
    r"(?P<repo>[\w.-]+/(?P<name>[\w.-]+))(?:@(?P<at>[\w.-]+))?(?:/(?:tree|resolve|blob)/(?P<tree>[\w.-]+))?(?:[/?#].*)?",
    re.DOTALL,
)


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
    hub = _HUB.fullmatch(str(root))
    if url.startswith("file:"):
        what = f"write the path alone: /{url.removeprefix('file:///')}"
    elif hub is None:
        # A few commands take a file or a dataset.
        what = "name a local path, and upload from there" if written else "download it first, then give its path"
    elif written:
        what = _with_commands(
            "name a local directory, then upload the dataset", upload_commands(hub["repo"], hub["name"])
        )
    else:
        commands = fetch_commands(hub["repo"], hub["name"], hub["at"] or hub["tree"] or tag)
        what = _with_commands("fetch the dataset first, then give its directory", commands)
    raise DatasetError(f"{url} is a URL, but ffenc reads and writes local files only; {what}", path=Path(root))


def _with_commands(what: str, commands: tuple[str, ...]) -> str:
    return "\n".join([f"{what}:", *(f"  {command}" for command in commands)])


def fetch_commands(repo: str, directory: str, revision: str) -> tuple[str, str]:
    """Return the commands that install the Hub's command line and download a dataset."""
    return (
        "pip install huggingface_hub",
        f"hf download {repo} --repo-type=dataset --revision={revision} --local-dir={directory}",
    )


def upload_commands(repo: str, directory: str) -> tuple[str, ...]:
    """Return the commands that install the Hub's command line, upload a dataset, and give it the tag of its version."""
    return (
        "pip install huggingface_hub",
        f"hf upload {repo} {directory} . --repo-type=dataset",
        f"hf repos tag create {repo} {VERSION_TAG} --repo-type=dataset",
    )
