"""A terminal that wraps long lines, moves and erases as told, and wraps its lines again when its width changes."""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")


class TerminalScreen:
    """Shows what is fed to it; `lines` are the lines on it.

    Args:
        width: columns.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._rows: list[str] = [""]
        self._continues: list[bool] = [False]  # whether a row is the rest of the one before
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """Rows without spaces at their ends, up to the last row that is not empty."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip().split("\n")

    def feed(self, text: str) -> None:
        """Print a text with control sequences."""
        for argument, command, is_return, is_line_feed, character in _PART.findall(text):
            if command == "A":
                self._row = max(0, self._row - int(argument or 1))
            elif command == "K":
                self._rows[self._row] = ""
            elif is_return:
                self._column = 0
            elif is_line_feed:
                self._next_row(continues=False)
            elif character:
                if self._column == self.width:
                    self._next_row(continues=True)
                row = self._rows[self._row].ljust(self._column)
                self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
                self._column += 1

    def resize(self, width: int) -> None:
        """Change the width, and wrap all lines again; the cursor stays at the end of its line."""
        below = self._rows[self._row + 1 :]
        assert not any(below), "the cursor is on the last line"
        lines: list[str] = []
        for row, continues in zip(self._rows[: self._row + 1], self._continues, strict=False):
            if continues:
                lines[-1] += row
            else:
                lines.append(row)
        self.width, self._rows, self._continues = width, [], []
        for line in lines:
            pieces = [line[at : at + width] for at in range(0, len(line), width)] or [""]
            self._rows += pieces
            self._continues += [False, *[True] * (len(pieces) - 1)]
        self._row = len(self._rows) - 1
        self._column = len(self._rows[-1])

    def _next_row(self, *, continues: bool) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self._rows):
            self._rows.append("")
            self._continues.append(continues)
        else:
            self._continues[self._row] = continues
