"""Refuse URLs where the directory of a dataset is expected, and name the commands that fetch the dataset."""

from __future__ import annotations

import re
from pathlib import Path

from ffenc.errors import DatasetError

VERSION_TAG = "v3.0"
"""The tag from which LeRobot downloads a dataset of this version."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_HUB = re.compile(
    r"(?:hf:/+(?:datasets/)?|https?:/+(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/)"
    r"(?!(?:datasets|models|spaces|buckets|kernels)/)"
    r"(?P<repo>[\w.-]+/(?P<name>[\w.-]+))(?:@(?P<at>[\w.-]+))?(?:/(?:tree|resolve|blob)/(?P<tree>[\w.-]+))?(?:[/?#].*)?",
    re.DOTALL,
)


def check_local(root: str | Path) -> None:
    """Refuse a URL; `Path` has shortened its ``//`` to ``/``.

    Raises:
        DatasetError: ``root`` is a URL.  For a dataset on the Hugging Face Hub, the message has the commands that fetch it.
    """
    text = str(root)
    url = _SCHEME.fullmatch(text)
    if url is None:
        return
    shown = f"{url['scheme']}://{'/' if url['scheme'] == 'file' else ''}{url['rest']}"
    hub = _HUB.fullmatch(text)
    if hub is not None:
        what = "fetch the dataset first, then give its directory:\n" + "\n".join(
            f"  {command}"
            for command in fetch_commands(hub["repo"], hub["name"], hub["at"] or hub["tree"] or VERSION_TAG)
        )
    elif url["scheme"] == "file":
        what = f"write the path alone: /{url['rest']}"
    else:
        what = "copy the dataset to a local disk first, then give its directory"
    raise DatasetError(f"{shown} is a URL, but ffenc reads and writes local directories only; {what}", path=Path(root))


def fetch_commands(repo: str, directory: str, revision: str) -> tuple[str, str]:
    """Return the commands that install the Hub's command line and download a dataset."""
    return (
        "pip install huggingface_hub",
        f"hf download {repo} --repo-type=dataset --revision={revision} --local-dir={directory}",
    )
