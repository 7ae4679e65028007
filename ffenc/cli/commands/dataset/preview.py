"""``ffenc preview``: write contact sheets of a dataset."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.preview import Sheet, preview_dataset
from ffenc.errors import PreviewError

_SHOWN = 20


def run(arguments: Namespace, screen: Screen) -> int:
    """Write the sheets, and print their names."""
    root = arguments.root
    output = arguments.output or Path(f"{root.absolute().name}-preview")
    failed: PreviewError | None = None
    with screen.progress("drawing", unit="episodes") as progress:
        try:
            sheets = call(preview_dataset, arguments, output=output, progress=progress)
        except PreviewError as err:
            sheets, failed = err.sheets, err
    shown = [(sheet.path.name, _columns_text(sheet)) for sheet in sheets[:_SHOWN]]
    if len(sheets) > _SHOWN:
        shown.append(("...", f"{len(sheets)} images"))
    fullest = max((sheet.cameras for sheet in sheets), key=len, default=())
    rows = [(f"row {number}", camera) for number, camera in enumerate(fullest, start=1)]
    screen.result(
        {
            "output": str(output),
            "sheets": sheets,
            "missing": failed.failures if failed else [],
        },
        *([pairs_table([*rows, *shown], title=f"wrote {output}")] if sheets else []),
    )
    if failed is None:
        return 0
    screen.failure("ffenc preview failed", str(failed))
    return 1


def _columns_text(sheet: Sheet) -> str:
    return "at " + ", ".join(f"{time_s:.2f}" for time_s in sheet.times_s) + " s"
