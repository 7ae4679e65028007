"""Which paths are URLs, and what the message says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.dataset.storage.local_root import check_local
from ffenc.errors import DatasetError

DOWNLOAD = "hf download me/cubes --repo-type=dataset --revision={} --local-dir=cubes"
URLS = {
    "hf://datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "hf://me/cubes": DOWNLOAD.format("v3.0"),
    "HF://me/cubes": "copy the dataset to a local disk",
    "hf://datasets/me/cubes@main": DOWNLOAD.format("main"),
    "hf://datasets/me/cubes/meta/info.json": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes/": DOWNLOAD.format("v3.0"),
    "http://hf.co/datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes/tree/v2.1/meta": DOWNLOAD.format("v2.1"),
    "https://huggingface.co/datasets/me/cubes?library=datasets": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/me/policy": "copy the dataset to a local disk",
    "hf://buckets/me/cubes": "copy the dataset to a local disk",
    "hf://datasets/me/$(date)": "copy the dataset to a local disk",
    "https://example.org/cubes.zip": "copy the dataset to a local disk",
    "s3://bucket/cubes": "copy the dataset to a local disk",
    "file:///data/cubes": "write the path alone: /data/cubes",
}


@pytest.mark.parametrize(("url", "said"), URLS.items(), ids=URLS)
@pytest.mark.parametrize("form", [str, Path])
def test_url_is_refused(url, said, form):
    with pytest.raises(DatasetError) as caught:
        check_local(form(url))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{url.rstrip('/')}") or form is str


@pytest.mark.parametrize(
    "path", ["cubes", "me/cubes", "/hf:/cubes", "./a:b", "C:/cubes", "C:\\cubes", "hf:", "a b://c", "", "1://x"]
)
def test_path_is_accepted(path):
    check_local(path)
    check_local(Path(path))
