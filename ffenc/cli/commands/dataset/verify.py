"""``ffenc verify``: check a dataset and print the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from jsonargparse import Namespace
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ffenc.cli.output.results import columns_table, count_text
from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import UsageError, binaries_of
from ffenc.dataset.verify.content_limits import ContentLimits
from ffenc.dataset.verify.finding_codes import CODES, LEVELS
from ffenc.dataset.verify.findings import Finding
from ffenc.dataset.verify.verify import VerifyReport, verify_dataset
from ffenc.json_text import as_json

_LIMITS = tuple(field.name for field in fields(ContentLimits))

FAULTY = 1
"""Exit status if a dataset has an error or a warning."""

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def run(arguments: Namespace, screen: Screen) -> int:
    """Check, and print the findings."""
    if arguments.codes:
        screen.result({"codes": [as_json(code) for code in CODES.values()]}, _codes_table())
        return 0
    if arguments.root is None:
        raise UsageError("name the directory of a dataset: ffenc verify ROOT")
    if arguments.level not in LEVELS:
        raise UsageError(f"--level was given {arguments.level}; it is one of {', '.join(LEVELS)}")
    given = {name: arguments[name] for name in _LIMITS if arguments[name] is not None}
    if given and arguments.level != "decode":
        names = ", ".join(f"--{name}" for name in given)
        raise UsageError(f"{names} has no effect at level {arguments.level}; add --level=decode")
    limits = ContentLimits(**given)
    binaries = None if arguments.level == "metadata" else binaries_of(arguments)
    with screen.progress("verifying", unit="videos") as progress:
        report = verify_dataset(arguments.root, arguments.level, limits=limits, binaries=binaries, progress=progress)
    show_report(screen, report, {**as_json(report), "ok": report.ok})
    return 0 if report.ok else FAULTY


def show_report(screen: Screen, report: VerifyReport, document: Mapping[str, object], *before: RenderableType) -> None:
    """Print the findings, the remedy for each code, and the totals.

    A terminal shows the findings by file. Any other output gets one line per finding.

    Args:
        screen: the output.
        report: the findings.
        document: the result as JSON.
        before: printed before the findings.
    """
    findings: list[RenderableType] = list(before)
    if screen.out.is_terminal:
        findings += _by_file(report.findings)
    elif not screen.as_json:
        screen.result({}, *before)
        findings = []
        for finding in report.findings:
            screen.lines(_line(finding))
    remedies = [_remedies(report)] if report.findings else []
    screen.result(
        document, *findings, *remedies, Text(visible(_totals(report)), style="green" if report.ok else "bold")
    )


def _by_file(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        by_path.setdefault("" if finding.path is None else str(finding.path), []).append(finding)
    for path, found in by_path.items():
        yield Text(visible(path) or "the dataset", style="bold")
        for finding in found:
            head = f"{finding.severity} {finding.code}"
            where = ", ".join(_where(finding))
            text = Text.assemble(
                (head, _STYLES[finding.severity]),
                visible(f" ({where}): {finding.message}" if where else f": {finding.message}"),
            )
            yield Padding(text, (0, 0, 0, 2))


def _line(finding: Finding) -> str:
    where = ", ".join(filter(None, [str(finding.path or ""), *_where(finding)]))
    head = f"{finding.severity} {finding.code}"
    return visible(f"{head} {where}: {' '.join(finding.message.split())}" if where else f"{head}: {finding.message}")


def _where(finding: Finding) -> list[str]:
    episode = _range_text("episode", finding.episode, finding.last_episode)
    frame = "" if finding.code == "frame-unreadable" else _range_text("frame", finding.frame, finding.last_frame)
    return [part for part in (finding.camera or "", episode, frame) if part]


def _range_text(noun: str, first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return f"{noun} {first}" if last is None else f"{noun}s {first}-{last}"


def _remedies(report: VerifyReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify, table.title_style = "\nwhat to do", "left", "bold"
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for code, count in report.counts.items():
        table.add_row(Text(f"{count}x {code}"), Text(CODES[code].remedy))
    return table


def _totals(report: VerifyReport) -> str:
    read = f"{count_text(report.episodes, 'episode')}, {count_text(report.frames, 'frame')}"
    opened = "no video opened" if report.level == "metadata" else count_text(report.videos, "video")
    found = [count_text(count, severity) for severity, count in report.severities.items() if count]
    return f"\n{report.root}: {', '.join(found) or 'nothing wrong'} (level {report.level}: {read}, {opened})"


def _codes_table() -> Table:
    table = columns_table("code", "severity", "level", "meaning", "repaired", lines=False)
    for column in table.columns:
        column.no_wrap = column.header != "meaning"
    for code in CODES.values():
        style = _STYLES[code.severity]
        table.add_row(
            code.name, Text(code.severity, style=style), code.level, code.meaning, "yes" if code.repaired else ""
        )
    return table
