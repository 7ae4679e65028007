"""Write what is generated from the proofs in ``docs/hardware/*.json``, and the table of checks, into docs/hardware.md.

    python -m tools.hardware_table

The encoders in the proofs also go into ``ffenc/encoders/proven.py``, because the package has no docs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ffenc.encoders.table import ENCODERS
from ffenc.proof.checks import CHECKS
from ffenc.proof.prove import FORMAT

ROOT = Path(__file__).parents[1]
PROOFS = ROOT / "docs" / "hardware"
PAGE = ROOT / "docs" / "hardware.md"
MODULE = ROOT / "ffenc" / "encoders" / "proven.py"

_HEADINGS = ("encoder", "hardware", "FFmpeg", "job", "verdict", "document")


def load_proofs(folder: Path = PROOFS) -> dict[str, Mapping[str, Any]]:
    """Return the proofs of a folder by file name.

    Raises:
        ValueError: a file is not a proof of this version.
    """
    proofs = {}
    for path in sorted(folder.glob("*.json")):
        proof = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(proof, dict) or proof.get("format") != FORMAT or not proof.get("encoders"):
            raise ValueError(f"{path} is not a proof of format {FORMAT}")
        proofs[path.name] = proof
    return proofs


def hardware_in(proofs: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (file name, proof, encoder) of every hardware encoder that was run."""
    for name, proof in proofs.items():
        for encoder in proof["encoders"]:
            row = ENCODERS.get(encoder["encoder"])
            if row is not None and row.device is not None and encoder["checks"]:
                yield name, proof, encoder


def proofs_table(proofs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of hardware encoders that were run, as Markdown."""
    rows = []
    for name, proof, encoder in hardware_in(proofs):
        failed = [check["name"] for check in encoder["checks"] if check["passed"] is False]
        (width, height), job = proof["job"]["size"], proof["job"]
        soak = f", {job['soak_s']:g} s" if job["soak_s"] else ""
        rows.append(
            (
                encoder["encoder"],
                "; ".join(encoder["driver"]),
                proof["ffmpeg"].split(" ")[2],
                f"{width}x{height} at {job['fps']}, {job['cameras']} at once{soak}",
                "failed: " + ", ".join(failed) if failed else "proven",
                f"[{name}](hardware/{name})",
            )
        )
    return _markdown(_HEADINGS, rows) if rows else "No user has sent a proof yet.\n"


def checks_table() -> str:
    """Return the table of checks, as Markdown."""
    return _markdown(("check", "what it proves"), [(check.name, check.proves) for check in CHECKS])


def module_text(proofs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of ``ffenc/encoders/proven.py``."""
    names = sorted({encoder["encoder"] for _, _, encoder in hardware_in(proofs)})
    listed = "".join(f'        "{name}",\n' for name in names)
    value = f"frozenset(\n    (\n{listed}    )\n)" if names else "frozenset()"
    return f'''"""Hardware encoders that were run; written by ``tools/hardware_table.py`` from ``docs/hardware/*.json``."""

from __future__ import annotations

RUN: frozenset[str] = {value}
"""Encoders with a proof from a machine that has the hardware; passed or failed."""
'''


def page_text(page: str, proofs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with both tables replaced."""
    for name, table in (("checks", checks_table()), ("proofs", proofs_table(proofs))):
        before, start, rest = page.partition(f"<!-- {name}: written by tools/hardware_table.py -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        page = f"{before}{start}\n{table}\n{end}{after}"
    return page


def _markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(headings), *map(tuple, rows)]
    cells = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([cells[0], "|---" * len(lines[0]) + "|", *cells[1:]]) + "\n"


def main() -> None:
    """Write the page and the module."""
    proofs = load_proofs()
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8"), proofs), encoding="utf-8")
    MODULE.write_text(module_text(proofs), encoding="utf-8")


if __name__ == "__main__":
    main()
