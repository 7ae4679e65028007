"""Which paths are URLs, and what the message says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.dataset.storage.local_root import OLD_VERSION_TAG, check_local
from ffenc.errors import DatasetError

DOWNLOAD = "hf download me/cubes --repo-type=dataset --revision={} --local-dir=cubes"
URLS = {
    "hf://datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "hf://me/cubes": DOWNLOAD.format("v3.0"),
    "HF://me/cubes": "download it first, and give the path of the copy",
    "hf://datasets/me/cubes@main": DOWNLOAD.format("main"),
    "hf://datasets/me/cubes/meta/info.json": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes/": DOWNLOAD.format("v3.0"),
    "http://hf.co/datasets/me/cubes": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/datasets/me/cubes/tree/v2.1/meta": DOWNLOAD.format("v2.1"),
    "https://huggingface.co/datasets/me/cubes?library=datasets": DOWNLOAD.format("v3.0"),
    "https://huggingface.co/me/policy": "download it first, and give the path of the copy",
    "hf://buckets/me/cubes": "download it first, and give the path of the copy",
    "hf://datasets/me/$(date)": "download it first, and give the path of the copy",
    "https://example.org/cubes.zip": "download it with `curl -fLO https://example.org/cubes.zip`, and give the path of the copy",
    "s3://bucket/cubes": "download it first, and give the path of the copy",
    "file:///data/cubes": "write the path alone: /data/cubes",
}


@pytest.mark.parametrize(("url", "said"), URLS.items(), ids=URLS)
@pytest.mark.parametrize("form", [str, Path])
def test_url_is_refused(url, said, form):
    with pytest.raises(DatasetError) as caught:
        check_local(form(url))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{url.rstrip('/')}") or form is str


def test_tag_of_an_old_version_is_fetched_unless_the_url_names_another():
    for url, tag in {"hf://datasets/me/cubes": "v2.1", "hf://datasets/me/cubes@main": "main"}.items():
        with pytest.raises(DatasetError) as caught:
            check_local(url, tag=OLD_VERSION_TAG)
        assert DOWNLOAD.format(tag) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    {
        "hf://datasets/me/cubes": "\n  hf upload me/cubes cubes . --repo-type=dataset\n  hf repos tag create me/cubes v3.0 ",
        "s3://bucket/cubes": "give a local path, and upload from there",
        "file:///data/cubes": "write the path alone: /data/cubes",
    }.items(),
)
def test_url_to_write_to_is_refused_with_how_to_upload(url, said):
    with pytest.raises(DatasetError) as caught:
        check_local(url, written=True)
    assert said in str(caught.value)
    assert "download" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["cubes", "me/cubes", "/hf:/cubes", "./a:b", "C:/cubes", "C:\\cubes", "hf:", "a b://c", "", "1://x"]
)
def test_path_is_accepted(path):
    check_local(path)
    check_local(Path(path))
