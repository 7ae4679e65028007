"""``ffenc verify``: every fault of a dataset, as a table or as JSON."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from ffenc.cli.arguments import Command, UsageError, binaries_of, command_parser
from ffenc.cli.screen import Screen, plain, visible
from ffenc.dataset.finding_codes import CODES, LEVELS
from ffenc.dataset.findings import Finding
from ffenc.dataset.verify import VerifyReport, verify_dataset

FAULTY = 1
"""Exit status of a dataset with an error or a warning."""

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}

_DESCRIPTION = """\
Check a LeRobot dataset. Level metadata reads its tables and needs no FFmpeg;
packets also reads every packet header of its videos; decode also decodes every
picture and compares them with the statistics that were recorded of them, by
which exchanged videos are found. Nothing is written.
The exit status is 1 if there is an error or a warning. Exact drifts, gaps and
files are named; --codes lists all that can be found."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("verify [options] ROOT", _DESCRIPTION)
    parser.add_argument("root", type=Path, nargs="?", metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--level", type=str, default="packets", metavar="LEVEL", help=f"{', '.join(LEVELS)} (default: packets)"
    )
    parser.add_argument("--codes", action="store_true", help="list the codes of all faults, and do nothing else")
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> int:
    """Check, and say what was found."""
    if arguments.codes:
        screen.result({"codes": [plain(code) for code in CODES.values()]}, _codes_table())
        return 0
    if arguments.root is None:
        raise UsageError("name the directory of a dataset: ffenc verify ROOT")
    if arguments.level not in LEVELS:
        raise UsageError(f"--level was given {arguments.level}; it is one of {', '.join(LEVELS)}")
    binaries = None if arguments.level == "metadata" else binaries_of(arguments)
    with screen.progress("verifying", unit="videos") as progress:
        report = verify_dataset(arguments.root, arguments.level, binaries=binaries, progress=progress)
    screen.result({**plain(report), "ok": report.ok}, *report_tables(report))
    return 0 if report.ok else FAULTY


def report_tables(report: VerifyReport) -> list[Table | Text]:
    """A report for people: a row for each finding, what to do for each code, and the sum."""
    shown: list[Table | Text] = []
    if report.findings:
        shown += [findings_table(report.findings), _remedies(report)]
    shown.append(Text(visible(_sum(report)), style="green" if report.ok else "bold"))
    return shown


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """A row for each finding."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("code", no_wrap=True)
    table.add_column("where", overflow="fold", ratio=2)
    table.add_column("what", overflow="fold", ratio=3)
    for finding in findings:
        code = Text(finding.code, style=_STYLES[finding.severity])
        table.add_row(code, Text(visible(_where(finding))), Text(visible(finding.message)))
    return table


def _where(finding: Finding) -> str:
    parts = [
        f"episode {finding.episode}" if finding.episode is not None else "",
        f"frame {finding.frame}" if finding.frame is not None else "",
        finding.camera or "",
        str(finding.path or ""),
    ]
    return "\n".join(filter(None, [", ".join(filter(None, parts[:2])), *parts[2:]]))


def _remedies(report: VerifyReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify, table.title_style = "\nwhat to do", "left", "bold"
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for code, count in report.counts.items():
        table.add_row(Text(f"{count}x {code}"), Text(CODES[code].remedy))
    return table


def _sum(report: VerifyReport) -> str:
    read = f"{report.episodes} episodes, {report.frames} frames"
    opened = "no video opened" if report.level == "metadata" else f"{report.videos} videos"
    found = [f"{count} {severity}{'s' if count != 1 else ''}" for severity, count in report.severities.items() if count]
    return f"\n{report.root}: {', '.join(found) or 'nothing wrong'} (level {report.level}: {read}, {opened})"


def _codes_table() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("code", "severity", "level", "meaning", "repaired"):
        table.add_column(title, no_wrap=title != "meaning")
    for code in CODES.values():
        style = _STYLES[code.severity]
        table.add_row(
            code.name, Text(code.severity, style=style), code.level, code.meaning, "yes" if code.repaired else ""
        )
    return table
