"""Settings of a benchmark run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffenc import Binaries


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The parsed command line.

    Attributes:
        binaries: the executables everybody uses who uses any.
        clip: footage to take frames from; None makes it up.
        scratch: a directory of our own for outputs, on the disk that is to be measured.
        repeats: pairs of runs for what is held against a target.
        quick: fewer frames and files.
        seconds: length of a control loop; None: as the section has it.
        patience: seconds to wait before a loop, at most, for the others on the machine to be quiet.
        count: episodes or kills; None: as the section has it.
        keep: a directory in which a long section leaves what it has done, to go on from there; None: it starts anew.
        lerobot: a Python interpreter that has LeRobot; None leaves LeRobot out.
    """

    binaries: Binaries
    clip: Path | None
    scratch: Path
    repeats: int
    quick: bool
    seconds: float | None = None
    patience: float = 0
    count: int | None = None
    keep: Path | None = None
    lerobot: Path | None = None

    @property
    def few(self) -> int:
        """Number of runs of secondary figures."""
        return max(1, self.repeats // 2)
