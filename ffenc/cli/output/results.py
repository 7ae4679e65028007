"""Tables and texts that show results."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ffenc.cli.output.screen import Screen, visible

if TYPE_CHECKING:
    from ffenc.plan.encode import EncodePlan
    from ffenc.video.run import EncodeResult


def pairs_table(rows: Iterable[tuple[str, object]], *, title: str = "") -> Table:
    """Make a table of names and values, without lines."""
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify, table.title_style = visible(title) or None, "left", "bold"
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"  {name}", Text(visible(str(value))))
    return table


def columns_table(*headings: str, title: str = "", lines: bool = True) -> Table:
    """Make a table with headed columns.

    Args:
        headings: of the columns; one that begins with ``>`` is for numbers, which are aligned to the right.
        title: shown above the table.
        lines: draw a line below the headings.
    """
    style: dict[str, Any] = (
        {"box": box.SIMPLE_HEAD} if lines else {"box": None, "header_style": "bold", "padding": (0, 2, 0, 0)}
    )
    table = Table(title=title or None, title_justify="left", title_style="bold", pad_edge=False, **style)
    for heading in headings:
        table.add_column(
            heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left", overflow="fold"
        )
    return table


def encode_table(result: EncodeResult) -> Table:
    """Make a table of an `EncodeResult`."""
    return pairs_table(
        [
            ("video", f"{frames_text(result.frames)}, {frame_text(result)}, {float(result.duration_s):.3f} s"),
            ("encoder", encoder_text(result)),
            *(("other stream", line) for line in result.other_streams),
            ("size", size_text(result)),
            ("ffmpeg", usage_text(result)),
        ],
        title=f"wrote {result.path}",
    )


def dataset_table(result: Any, videos: str, *others: tuple[str, object]) -> Table:
    """Make a table of a new dataset.

    Args:
        result: has ``root``, ``episodes``, ``frames``, ``videos``, and possibly ``tasks`` and ``dry_run``.
        videos: text about the video files, in addition to their number.
        others: further rows.
    """
    tasks = f", {count_text(result.tasks, 'task')}" if hasattr(result, "tasks") else ""
    rows = [
        *others,
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}{tasks}"),
        ("videos", f"{count_text(result.videos, 'file')}, {videos}"),
    ]
    done = "would write" if getattr(result, "dry_run", False) else "wrote"
    return pairs_table(rows, title=f"{done} {result.root}")


def count_text(count: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def frames_text(count: int) -> str:
    """Return ``90 frames``."""
    return count_text(count, "frame")


def frame_text(result: EncodeResult) -> str:
    """Return frame size and rate."""
    return f"{result.stream.width}x{result.stream.height} at {result.fps} per second"


def encoder_text(result: EncodeResult) -> str:
    """Return the encoder and the settings that took effect."""
    config = result.encoder.config
    settings = {"g": config.g, "crf": config.crf, "preset": config.preset, "fast_decode": config.fast_decode or None}
    parts = [f"{name}={value}" for name, value in settings.items() if value is not None]
    parts += [f"{name}={value}" for name, value in config.extra_options.items()]
    return f"{result.encoder.name} ({result.stream.codec}, {result.stream.pix_fmt}) {' '.join(parts)}".rstrip()


def size_text(result: EncodeResult) -> str:
    """Return the size of the file, and its ratio to the raw frames."""
    raw = result.frames * result.stream.width * result.stream.height * 3
    rate = result.size_bytes * 8 / float(result.duration_s) / 1000
    share = 100 * result.size_bytes / raw
    return f"{decimal(result.size_bytes)}, {share:.2g} % of the RGB frames ({decimal(raw)}), {rate:.0f} kbit/s"


def usage_text(result: EncodeResult) -> str:
    """Return CPU time and memory of the encode."""
    usage = result.usage
    memory = "" if usage.max_rss_bytes is None else f", {decimal(usage.max_rss_bytes)} of memory"
    return f"{usage.cpu_user_s + usage.cpu_system_s:.2f} s of CPU time{memory}"


def show_plan(screen: Screen, plan: EncodePlan, *, note: str = "") -> None:
    """Print the command of a dry run."""
    reductions = plan.encoder.reductions
    show_command(screen, plan.argv, output=plan.output, note=" ".join([*([note] if note else []), *reductions]))


def show_command(screen: Screen, argv: Sequence[str], *, output: Path, note: str = "", **more: object) -> None:
    """Print a command that is not run."""
    if screen.as_json:
        screen.result({"dry_run": True, "argv": list(argv), "output": str(output), **more})
        return
    screen.lines(shlex.join(argv))
    screen.note(f"dry run: nothing was written.{f' {note}' if note else ''}")


def dataset_files(root: Path) -> dict[Path, int]:
    """Return every file below a folder with its size in bytes, sorted by path."""
    return {path: path.stat().st_size for path in sorted(root.rglob("*")) if path.is_file()}


def files_table(root: Path, files: dict[Path, int]) -> Table:
    """Make a table of the files below a folder."""
    rows = [(str(path.relative_to(root)), decimal(size)) for path, size in files.items()]
    return pairs_table(rows, title=f"\n{root}: {count_text(len(files), 'file')}, {decimal(sum(files.values()))}")
