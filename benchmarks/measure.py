"""Collect figures and compare them with targets; ``ffenc bench`` does the measuring."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from ffenc.bench.timing import Cost, cost_of, interleaved

__all__ = ["Cost", "Figure", "Report", "cost_of", "in_fresh_process", "interleaved", "run_silently", "spread"]

T = TypeVar("T")


def run_silently(argv: Sequence[str]) -> None:
    """Run a command and discard its output."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def in_fresh_process(work: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a new interpreter, without imports and caches."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that is compared with a target.

    Attributes:
        section: which part of the run it belongs to.
        name: what it is.
        unit: of the values; ``"x"`` for a ratio.
        values: one for each pair of runs.
        at_most: the target, if there is one.
    """

    section: str
    name: str
    unit: str
    values: tuple[float, ...]
    at_most: float | None = None

    @property
    def median(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """``met`` or ``not met`` by the median, with a remark if the spread crosses the target."""
        if self.at_most is None:
            return ""
        verdict = "met" if self.median <= self.at_most else "not met"
        unsure = min(self.values) <= self.at_most < max(self.values)
        return f"{verdict} (spread crosses it)" if unsure else verdict

    def as_json(self) -> dict[str, Any]:
        """Return the figure for the JSON file."""
        return {
            "section": self.section,
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "values": list(self.values),
            "at_most": self.at_most,
            "verdict": self.verdict,
        }


class Report:
    """Collects and prints tables and figures."""

    def __init__(self, machine: Mapping[str, str]) -> None:
        self.machine = dict(machine)
        self.figures: list[Figure] = []
        self.tables: list[dict[str, Any]] = []
        self.remarks: list[str] = []
        self.runs: list[dict[str, Any]] = []
        self._console = Console(width=150, highlight=False, soft_wrap=False)
        self._print_table("Machine", ["what", "value"], [list(item) for item in machine.items()])

    def remark(self, text: str) -> None:
        """Print and keep a sentence."""
        self.remarks.append(text)
        self._console.print(f"- {text}", markup=False)

    def keep_runs(self, section: str, costs: Mapping[str, Sequence[Cost]]) -> None:
        """Keep the notes of every run, for the JSON file."""
        for name, runs in costs.items():
            self.runs += [
                {"section": section, "method": name, "run": number, **run.note} for number, run in enumerate(runs)
            ]

    def figure(
        self, section: str, name: str, values: Sequence[float], *, unit: str = "x", at_most: float | None = None
    ) -> None:
        """Keep a figure for `print_figures`."""
        self.figures.append(Figure(section=section, name=name, unit=unit, values=tuple(values), at_most=at_most))

    def ratio(
        self, section: str, name: str, ours: Sequence[float], theirs: Sequence[float], *, at_most: float | None = None
    ) -> None:
        """Keep the ratios of two series, pair by pair."""
        pairs = [our / their for our, their in zip(ours, theirs, strict=True)]
        self.figure(section, name, pairs, at_most=at_most)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print and keep a table."""
        self.tables.append({"title": title, "columns": list(columns), "rows": [list(row) for row in rows]})
        self._print_table(title, columns, rows)

    def print_figures(self) -> None:
        """Print every figure with its target."""
        rows = [
            [
                figure.section,
                figure.name,
                f"{figure.median:.3f} {figure.unit}",
                f"{min(figure.values):.3f} .. {max(figure.values):.3f}",
                str(len(figure.values)),
                "" if figure.at_most is None else f"<= {figure.at_most:g} {figure.unit}",
                figure.verdict,
            ]
            for figure in self.figures
        ]
        self._print_table("Figures and targets", ["section", "figure", "median", "spread", "n", "target", ""], rows)

    def as_json(self) -> str:
        """Return the report as JSON text."""
        document = {
            "machine": self.machine,
            "figures": [figure.as_json() for figure in self.figures],
            "tables": self.tables,
            "runs": self.runs,
            "remarks": self.remarks,
        }
        return json.dumps(document, indent=1) + "\n"

    def _print_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return ``median (min..max)``."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"
