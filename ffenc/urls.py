"""URLs that are given in place of local paths: recognise them, and name the commands that fetch or upload their content."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HUB_CLIENT = "pip install huggingface_hub"
"""The command that installs ``hf``."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)

_HUB = re.compile(
    r"(?:hf:/+(?:datasets/)?|https?:/+(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/)"
    r"(?!(?:datasets|models|spaces|buckets|kernels)/)"
    r"(?P<repo>[\w.-]+/(?P<name>[\w.-]+))(?:@(?P<at>[\w.-]+))?(?:/(?:tree|(?P<is_file>resolve|blob))/(?P<tree>[\w.-]+))?"
    r"(?:/(?P<file>[^?#]*))?(?:[?#].*)?",
    re.DOTALL,
)

_DOWNLOADS = {
    "http": "curl -fLO {}",
    "https": "curl -fLO {}",
    "ftp": "curl -fLO {}",
    "s3": "aws s3 cp {} .",
    "gs": "gcloud storage cp {} .",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubUrl:
    """A URL of a dataset on the Hugging Face Hub.

    Attributes:
        repo: name of the dataset, such as ``me/cubes``.
        revision: revision in the URL, or None.
        file: file in the dataset, or None.
    """

    repo: str
    revision: str | None
    file: str | None

    @classmethod
    def of(cls, url: str) -> HubUrl | None:
        """Return what a URL names on the Hub, or None."""
        found = _HUB.fullmatch(url)
        if found is None:
            return None
        is_file = found["is_file"] or url.startswith("hf:")
        return cls(
            repo=found["repo"], revision=found["at"] or found["tree"], file=(found["file"] or None) if is_file else None
        )

    @property
    def directory(self) -> str:
        """Name of a local directory for the dataset."""
        return self.repo.partition("/")[2]


def as_url(path: str | Path) -> str | None:
    """Return the URL that was given as a path, or None; `Path` has shortened its ``//`` to ``/``."""
    url = _URL.fullmatch(str(path))
    return None if url is None else f"{url['scheme']}://{'/' if url['scheme'] == 'file' else ''}{url['rest']}"


def refusal(url: str, *, written: bool = False) -> str:
    """Return the message for a URL in place of the path of a file: what to do instead, with the command that fetches it."""
    if url.startswith("file:"):
        what = f"write the path alone: /{url.removeprefix('file:///')}"
    elif written:
        what = "give a local path, and upload from there"
    elif (command := _download_command(url)) is None:
        what = "download it first, and give the path of the copy"
    else:
        what = f"download it with `{command}`, and give the path of the copy"
    return f"{url} is a URL, but ffenc {'writes' if written else 'reads'} local files only; {what}"


def hub_download(repo: str, directory: str, *, file: str | None = None, revision: str | None = None) -> str:
    """Return the command that downloads a dataset from the Hub, or one of its files."""
    words = ["hf", "download", repo, *([] if file is None else [file]), "--repo-type=dataset"]
    words += [] if revision is None else [f"--revision={revision}"]
    return shlex.join([*words, f"--local-dir={directory}"])


def _download_command(url: str) -> str | None:
    hub = HubUrl.of(url)
    if hub is not None:
        command = hub_download(hub.repo, hub.directory, file=hub.file, revision=hub.revision)
        return f"{HUB_CLIENT} && {command}"
    scheme, _, rest = url.partition("://")
    download = _DOWNLOADS.get(scheme.lower())
    suffix = PurePosixPath(re.split(r"[?#]", rest)[0].partition("/")[2]).suffix
    # Without a suffix, it may be a directory, which these commands do not download.
    return download.format(shlex.quote(url)) if download and suffix else None
