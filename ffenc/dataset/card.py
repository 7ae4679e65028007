"""Write the card of a dataset: the ``README.md`` that the Hugging Face Hub shows, and a contact sheet of one episode."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature
from ffenc.dataset.preview import preview_dataset
from ffenc.dataset.storage.local_root import fetch_commands
from ffenc.errors import FFencError, OutputError, PreviewError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.regular_files import file_path
from ffenc.video.output import PendingFile

SHEET = "contact-sheet.png"
"""Name of the contact sheet beside the card."""

PLACEHOLDER = "OWNER/NAME"
"""Stands for the name on the Hub, which no file of a dataset records."""

_MOST_TASKS = 20
_ENCODER_KEYS = ("g", "crf", "preset", "fast_decode", "extra_options")
_DEPTH_KEYS = ("depth_min", "depth_max", "shift", "use_log")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """A card that was written.

    Attributes:
        path: the card.
        sheet: the contact sheet that it shows, or None.
        why_no_sheet: why the contact sheet is missing, or None.
    """

    path: Path
    sheet: Path | None
    why_no_sheet: str | None = None


def dataset_card(
    root: str | Path,
    *,
    license: str | None = None,  # noqa: A002  # the key of the Hub
    repo_id: str | None = None,
    output: str | Path | None = None,
    sheet: bool = True,
    overwrite: bool = False,
    binaries: Binaries | None = None,
) -> DatasetCard:
    """Write the card of a dataset, with a contact sheet of its first episode beside it.

    The card has the metadata that LeRobot writes (tags, task category, data files), features, cameras with their encoder
    settings, tasks, episodes and hours.

    Args:
        root: the dataset.
        license: its licence, such as ``"apache-2.0"``; None leaves it open.
        repo_id: its name on the Hub, ``"me/cubes"``; None uses the name of the directory, and a placeholder in commands.
        output: path of the card; None is ``README.md`` in the dataset.
        sheet: write a contact sheet.  The card is written without one if the first episode cannot be shown.
        overwrite: replace an existing card and contact sheet.
        binaries: the executables; found by `find_binaries` if None and they are needed.

    Raises:
        ValueError: the licence or the name has characters that do not belong there.
        DatasetError: the dataset cannot be read.
        OutputExistsError: the card or the sheet exists and ``overwrite`` is False.
        OutputError: a file cannot be written.
    """
    root = Path(root)
    _check("license", license, r"[A-Za-z0-9][\w.+-]*", "an identifier such as apache-2.0, or other")
    _check("repo_id", repo_id, r"[\w.-]+/[\w.-]+", "OWNER/NAME")
    info = load_info(root)
    rows = load_episodes(root, info, statistics=False) if DatasetLayout.of(root, info).episodes_files() else []
    path = root / "README.md" if output is None else file_path(output, written=True)
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the directory of {path} does not exist; create it first", path=path)
    with ExitStack() as stack:
        card = stack.enter_context(PendingFile(path, overwrite=overwrite))
        image: PendingFile | None = None
        reason: str | None = "it was not asked for"
        if sheet:
            image = stack.enter_context(PendingFile(path.with_name(SHEET), overwrite=overwrite))
            reason = _draw(root, info, rows, image.path, binaries)
        shown = image if reason is None else None
        name = repo_id or root.resolve().name
        text = "\n".join(
            _lines(info, rows, name=name, repo_id=repo_id, license_id=license, has_sheet=shown is not None)
        )
        try:
            card.path.write_text(text, encoding="utf-8")
        except OSError as err:
            raise OutputError(f"cannot write {path}: {err.strerror}", path=path) from err
        if shown is not None:
            shown.commit()
        card.commit()
    return DatasetCard(path=path, sheet=None if shown is None else shown.final, why_no_sheet=reason)


def _check(name: str, value: str | None, pattern: str, expected: str) -> None:
    if value is not None and not re.fullmatch(pattern, value):
        raise ValueError(f"{name} is {value!r}; expected {expected}")


def _draw(
    root: Path, info: DatasetInfo, rows: Sequence[EpisodeRow], image: Path, binaries: Binaries | None
) -> str | None:
    """Write the contact sheet of the first episode, or return why that is impossible."""
    if not (info.videos and rows):
        return "the dataset has no video"
    with tempfile.TemporaryDirectory(prefix="ffenc-card-") as directory:
        try:
            (drawn,) = preview_dataset(root, directory, episodes=[0], binaries=binaries)
        except PreviewError as err:
            return f"{err.failures[0].path.relative_to(root)}: {err.failures[0].reason.splitlines()[0]}"
        except FFencError as err:  # no FFmpeg, or one that cannot write PNG
            return str(err).splitlines()[0]
        shutil.copyfile(drawn.path, image)
    return None


def _lines(
    info: DatasetInfo,
    rows: Sequence[EpisodeRow],
    *,
    name: str,
    repo_id: str | None,
    license_id: str | None,
    has_sheet: bool,
) -> Iterator[str]:
    yield "---"
    if license_id is not None:
        yield f"license: {license_id}"
    yield from ("tags:", "- LeRobot", "task_categories:", "- robotics", "configs:", "- config_name: default")
    yield from ("  data_files: data/*/*.parquet", "---", "", f"# {_text(name)}", "")
    yield f"A robot dataset in the format {info.codebase_version} of [LeRobot](https://github.com/huggingface/lerobot)."
    yield "[meta/info.json](meta/info.json) describes it."
    if repo_id is not None:
        page = f"https://huggingface.co/spaces/lerobot/visualize_dataset?path={repo_id}"
        yield from ("", f"[Look at its episodes]({page}).")
    if has_sheet:
        yield from ("", f"![Frames of the first episode]({SHEET})")
    frames = sum(row.length for row in rows)
    yield from ("", "## Contents", "", "| | |", "|---|---|")
    yield f"| robot | {_text(info.robot_type or 'unknown')} |"
    yield f"| episodes | {len(rows)} |"
    yield f"| frames | {frames} at {info.fps} per second |"
    yield f"| hours | {frames / info.fps / 3600:.3g} |"
    yield f"| license | {license_id or 'not given'} |"
    yield from _tasks(rows)
    yield from _features(info)
    yield from _cameras(info)
    yield from _usage(repo_id, info.codebase_version)


def _tasks(rows: Sequence[EpisodeRow]) -> Iterator[str]:
    tasks = Counter(task for row in rows for task in row.tasks)
    if tasks:
        yield from ("", "## Tasks", "", "| task | episodes |", "|---|---|")
        yield from (f"| {_text(task)} | {count} |" for task, count in tasks.most_common(_MOST_TASKS))
        if len(tasks) > _MOST_TASKS:
            yield f"| {len(tasks) - _MOST_TASKS} more tasks | |"


def _features(info: DatasetInfo) -> Iterator[str]:
    yield from ("", "## Features", "", "| feature | type | shape | names |", "|---|---|---|---|")
    for name, feature in info.features.items():
        if name not in DEFAULT_FEATURES:
            shape = " x ".join(map(str, feature.shape))
            yield f"| {_text(name)} | {_text(feature.dtype)} | {shape} | {_text(_names(feature.names))} |"


def _names(names: object) -> str:
    if isinstance(names, dict):
        return "; ".join(f"{key}: {_names(value)}" for key, value in names.items())
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else "" if names is None else str(names)


def _cameras(info: DatasetInfo) -> Iterator[str]:
    if not info.videos:
        return
    yield from (
        "",
        "## Cameras",
        "",
        "| camera | size | codec | pixel format | encoder settings |",
        "|---|---|---|---|---|",
    )
    for name, feature in info.videos.items():
        block = feature.info or {}
        codec, pix_fmt = (block.get(f"video.{key}") or "unknown" for key in ("codec", "pix_fmt"))
        size = f"{feature.shape[1]}x{feature.shape[0]}" if len(feature.shape) == 3 else ""
        kind = f"{codec}, depth" if feature.is_depth else codec
        yield f"| {_text(name)} | {size} | {_text(kind)} | {_text(pix_fmt)} | {_text(_settings(feature))} |"


def _settings(feature: Feature) -> str:
    block = feature.info or {}
    keys = (*_ENCODER_KEYS, *(_DEPTH_KEYS if feature.is_depth else ()))
    given = {key: block.get(f"video.{key}") for key in keys}
    texts = [f"{key} {value}" for key, value in given.items() if value not in (None, {})]
    return ", ".join(texts) or "unknown"


def _usage(repo_id: str | None, version: str) -> Iterable[str]:
    repo = repo_id or PLACEHOLDER
    _, download = fetch_commands(repo, repo.partition("/")[2], version)
    load = f'dataset = LeRobotDataset("{repo}")'
    python = ("```python", "from lerobot.datasets import LeRobotDataset", "", load, "```")
    note = () if repo_id else (f"{PLACEHOLDER} stands for the name of this repository.", "")
    return ("", "## Use", "", *note, "```bash", download, "```", "", *python, "")


def _text(value: str) -> str:
    """Return text without any Markdown or HTML of its own, in one line."""
    line = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", line)
