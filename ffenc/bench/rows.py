"""Store the results of a sweep in a file of JSON lines, one row per trial, so that a stopped sweep can continue.

A row is written again after each round; the last line of a key is valid.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np

from ffenc.errors import InputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import file_path
from ffenc.video.output import PendingFile

logger = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]
"""The data of one trial; see ``docs/bench.md`` for its keys."""

LEROBOT_COLUMNS = (
    "repo_id", "resolution", "num_pixels", "vcodec", "pix_fmt", "g", "crf", "timestamps_mode", "backend",
    "video_size_bytes", "images_size_bytes", "video_images_size_ratio", "avg_load_time_video_ms",
    "avg_load_time_images_ms", "video_images_load_time_ratio", "avg_mse", "avg_psnr", "avg_ssim",
)  # fmt: skip
"""Columns of the CSV files of LeRobot's video benchmark (``run_video_benchmark.py``, which it has removed), in its order."""


class ResultsFile:
    """Rows on disk.

    Attributes:
        path: the file, ``.jsonl``.
        rows: all rows by key.
    """

    def __init__(self, path: Path) -> None:
        self.path = file_path(path, written=True)
        self.rows: dict[str, Row] = {row["key"]: row for row in _read(path)} if path.exists() else {}

    def put(self, row: Row) -> None:
        """Append a row, which replaces the previous row of its key."""
        line = dump_json(row) + b"\n"
        with self.path.open("a+b") as file:
            if file.tell() and not _ends_a_line(file):
                line = b"\n" + line  # keep the unfinished line of a killed process separate
            file.write(line)
        self.rows[row["key"]] = row

    def compact(self) -> None:
        """Rewrite the file with one line per key."""
        with PendingFile(self.path, overwrite=True) as pending:
            pending.path.write_bytes(b"".join(dump_json(row) + b"\n" for row in self.rows.values()))
            pending.commit()


def _ends_a_line(file: io.BufferedRandom) -> bool:
    file.seek(-1, io.SEEK_END)
    return file.read(1) == b"\n"


def load_rows(path: Path) -> list[Row]:
    """Read the rows of a results file.

    Raises:
        InputError: the file is missing, or is not a results file, or a URL was given.
    """
    if not file_path(path).is_file():
        raise InputError(f"the results file {path} does not exist; ffenc bench writes one", path=path)
    return list(ResultsFile(path).rows.values())


def _read(path: Path) -> Iterable[Row]:
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = load_json(line)
        except ValueError as err:
            if line.startswith(b'{"key":') or not line:
                logger.warning("line %d of %s was cut off; its trial is measured again", number, path)
                continue
            raise InputError(f"line {number} of {path} is not a row of a sweep: {err}", path=path) from err
        if not isinstance(row, dict) or "key" not in row:
            raise InputError(f"line {number} of {path} is not a row of a sweep", path=path)
        yield row


def summary(row: Row) -> Row:
    """Return the figures of a row by flat names: medians of repeated measurements, with ``_min`` and ``_max``.

    None means not measured.
    """
    config, source = row.get("config") or row["fields"], row["source"]
    quality, depth = row.get("quality") or {}, row.get("depth_error") or {}
    flat: Row = {
        "key": row["key"],
        "status": row["status"],
        "reason": row.get("reason"),
        "source": source["name"],
        "encoder": row.get("encoder") or str(row["fields"].get("vcodec", "")),
        **{name: config.get(name) for name in ("preset", "g", "crf", "pix_fmt", "fast_decode", "extra_options")},
        "encoder_threads": row["encoder_threads"],
        "cameras": row["cameras"],
        **{
            name: row.get(name) for name in ("size_bytes", "bits_per_pixel", "ratio_raw", "ratio_png", "first_packet_s")
        },
        "kbit_per_s": _kbit_per_s(row),
        **{name: quality.get(name) for name in ("psnr_db", "psnr_worst_db", "psnr_p5_db", "ssim", "vmaf", "xpsnr_db")},
        **depth,
    }
    timing = row.get("timing", [])
    for name in ("fps", "realtime", "cpu_ms_per_frame", "finish_s", "max_rss_bytes", "energy_j", "others_cpu", "load"):
        values = [sample[name] for sample in timing if sample.get(name) is not None]
        flat |= _spread(name, values)
    for reader, patterns in (row.get("reading") or {}).items():
        for pattern, reads in patterns.items():
            name = f"{reader}_{pattern}"
            for percent in (50, 95, 99):
                flat[f"{name}_p{percent}_ms"] = round(float(np.percentile(reads["times_ms"], percent)), 3)
            flat[f"{name}_decoded_per_wanted"] = reads["decoded_per_wanted"]
            flat[f"{name}_wrong"] = reads["wrong"]
    return flat


def plain_fields(fields: Mapping[str, Any]) -> str:
    """Return the fields of a config in one line, the encoder first."""
    others = (f"{name}={value}" for name, value in fields.items() if name not in ("vcodec", "extra_options"))
    extra = (f"{name}={value}" for name, value in (fields.get("extra_options") or {}).items())
    return " ".join([str(fields.get("vcodec", "")), *others, *extra]).strip()


def _kbit_per_s(row: Row) -> float | None:
    if row.get("size_bytes") is None:
        return None
    frames, fps, size_bytes = (
        int(row["source"]["frames"]),
        float(Fraction(row["source"]["fps"])),
        int(row["size_bytes"]),
    )
    return round(size_bytes * 8 / 1000 * fps / frames, 3)


def _spread(name: str, values: Sequence[float]) -> Row:
    if not values:
        return {name: None, f"{name}_min": None, f"{name}_max": None}
    return {name: median(values), f"{name}_min": min(values), f"{name}_max": max(values)}


def lerobot_csv(rows: Iterable[Row]) -> str:
    """Return the rows as CSV with the columns of LeRobot's former benchmark: a line per access pattern and reader.

    The values of `LEROBOT_COLUMNS` are measured differently: quality is that of the complete clip in the colour space of the
    stream (LeRobot compared sampled frames as RGB), and images are PNG at level 1.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, LEROBOT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for reader, patterns in (row.get("reading") or {}).items():
            writer.writerows(_lerobot_line(row, reader, pattern, reads) for pattern, reads in patterns.items())
    return file.getvalue()


def _lerobot_line(row: Row, reader: str, pattern: str, reads: Mapping[str, Any]) -> Row:
    source, config, quality = row["source"], row["config"], row.get("quality") or {}
    video_ms = float(np.mean(reads["times_ms"])) / reads["frames_per_request"]
    psnr_db = quality.get("psnr_db")
    images_ms, images_bytes = row.get("png_load_ms"), row.get("png_bytes")
    return {
        "repo_id": source["name"],
        "resolution": f"{source['width']} x {source['height']}",
        "num_pixels": source["width"] * source["height"],
        "vcodec": row["encoder"],
        "pix_fmt": config["pix_fmt"],
        "g": config["g"],
        "crf": config["crf"],
        "timestamps_mode": pattern,
        "backend": reader,
        "video_size_bytes": row["size_bytes"],
        "images_size_bytes": images_bytes,
        "video_images_size_ratio": row["size_bytes"] / images_bytes if images_bytes else None,
        "avg_load_time_video_ms": video_ms,
        "avg_load_time_images_ms": images_ms,
        "video_images_load_time_ratio": video_ms / images_ms if images_ms else None,
        "avg_mse": None if psnr_db is None else 10 ** (-psnr_db / 10),
        "avg_psnr": psnr_db,
        "avg_ssim": quality.get("ssim"),
    }
