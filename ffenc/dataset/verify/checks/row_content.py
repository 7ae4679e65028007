"""Find states and actions that never change, and jumps of timestamps; note at which rows the robot moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.documents import load_stats
from ffenc.dataset.format.provenance import load_provenance, rows_before_drops
from ffenc.dataset.format.schema import DEFAULT_FEATURES
from ffenc.dataset.verify.checks.packets import ranges_text
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.dataset.verify.content_limits import ContentLimits
from ffenc.errors import DatasetError

_MOTION = ("action", "observation.state")
_STAMPS = ("timestamp", "capture_time")
_MOVED = 0.005  # share of a component's range; a smaller change between two rows is noise
_MOVING_ROWS = 0.1  # share of rows with a change in a range in which the robot moves


class RowContent:
    """Checks the values of one episode after the other.

    Args:
        subject: the dataset; its table of episodes has been read.
        limits: what is accepted.

    Attributes:
        constant: for each state or action, the places of episodes in which it never changes.
        features: names of the states and actions.
        limits: what is accepted.
    """

    def __init__(self, subject: Subject, limits: ContentLimits) -> None:
        self._subject = subject
        self.limits = limits
        numeric = [name for name, feature in subject.known_info.columns.items() if feature.is_numeric]
        own = [name for name in numeric if name not in DEFAULT_FEATURES]
        self.features = [name for name in own if name.startswith(_MOTION) and not _is_stamp(name)]
        self._stamps = [name for name in ("timestamp", *own) if name in numeric and _is_stamp(name)]
        self.constant: dict[str, list[int]] = {}
        self._moves: dict[int, npt.NDArray[np.uint8]] = {}
        self._ranges = self._recorded_ranges()
        self._provenance: Mapping[int, Mapping[str, Any]] | None = None

    def take(self, episode: Episode, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Check the rows of one episode."""
        moves: npt.NDArray[np.bool_] | None = None
        for name in self.features:
            if name not in columns or len(columns[name]) < 2:
                continue
            values = columns[name].reshape(len(columns[name]), -1).astype(np.float64)
            steps = np.abs(np.diff(values, axis=0))
            if not steps.any():
                self.constant.setdefault(name, []).append(episode.place)
            whole = self._ranges.get(name)
            if whole is None or whole.shape != values.shape[1:]:
                whole = values.max(axis=0) - values.min(axis=0)
            moved: npt.NDArray[np.bool_] = np.any((steps > _MOVED * whole) & (steps > 0), axis=1)
            moves = moved if moves is None else np.logical_or(moves, moved)
        if moves is not None:
            self._moves[episode.place] = np.packbits(moves)
        for name in self._stamps:
            if name in columns and columns[name].ndim == 1:
                self._check_jumps(episode, name, columns[name].astype(np.float64))

    def is_moving(self, place: int, first: int, last: int) -> bool | None:
        """Return whether states or actions change in a range of rows; None if it is unknown."""
        bits = self._moves.get(place)
        if bits is None or last <= first:
            return None
        return bool(np.unpackbits(bits)[first:last].mean() >= _MOVING_ROWS)

    def _check_jumps(self, episode: Episode, name: str, times: npt.NDArray[np.float64]) -> None:
        steps = np.diff(times)
        if len(steps) < 2 or not np.isfinite(steps).all():
            return
        usual = float(np.median(steps))
        jumps = np.flatnonzero((steps < 0) | ((usual > 0) & (steps > self.limits.jump_steps * usual)))
        if not jumps.size:
            return
        first = int(jumps[0])
        explained = set(jumps.tolist()) <= self._dropped_after(episode)
        message = (
            f"{name!r} changes by {steps[first]:.6g} after row {first}, but usually by {usual:.6g}; {len(jumps)} jumps, after "
            f"{ranges_text(jumps[:20].tolist(), 'row')}{', ...' if len(jumps) > 20 else ''}"
        )
        if explained:
            message += "; the drop log has dropped steps at each"
        self._subject.findings.add(
            "timestamp-jump",
            message,
            episode=episode.place,
            camera=name,
            frame=first + 1,
            last_frame=int(jumps[-1]) + 1 if len(jumps) > 1 else None,
            severity="note" if explained else None,
        )

    def _dropped_after(self, episode: Episode) -> set[int]:
        if self._provenance is None:
            try:
                self._provenance = load_provenance(self._subject.root)
            except (OSError, ValueError):  # reported by the check of the frames
                self._provenance = {}
        return rows_before_drops(self._provenance.get(episode.index, {}))

    def _recorded_ranges(self) -> dict[str, npt.NDArray[np.float64]]:
        try:
            recorded = load_stats(self._subject.root) or {}
        except DatasetError:
            return {}
        return {name: recorded[name].max - recorded[name].min for name in self.features if name in recorded}


def _is_stamp(name: str) -> bool:
    return any(word in name for word in _STAMPS)
