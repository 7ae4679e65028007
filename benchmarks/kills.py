"""Section ``kills``: kill ffmpeg, Python or both at random times, and check what is recovered."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from checking import BrokenDatasetError, Episode, check_dataset, check_finals, frames_of
from control import runs
from machine import child_pids
from measure import Report
from robot import key_of
from settings import Settings
from victim import CAMERAS, CLEARED, FED, QUEUE_MAXSIZE, SAVED, Event, config_of, number_in_picture, read_log

from ffenc import Binaries, FFencError, VideoEncoderConfig, VideoWriter
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import EpisodeError
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from tests.footage import number_of, numbered_frames

KINDS = ("ffmpeg", "python", "both")
ENCODERS = (("libx264", 2), ("libx264", 30), ("libsvtav1", 2))
LONGEST_S = 4.0
_START_S = 30.0
_END_S = 60.0
_PATIENCE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One kill.

    Attributes:
        kind: who was killed; ``python`` where no ffmpeg ran at that moment.
        encoder: of the recording.
        episodes: in the dataset after recovery.
        lost: time steps of the episode that was being recorded, accepted before the kill and not there afterwards.
        bound: how many may be lost.
        recover_s: how long recovery took.
        problem: what was wrong; empty if nothing was.
    """

    kind: str
    encoder: str
    episodes: int = 0
    lost: int = 0
    bound: int = 0
    recover_s: float = 0.0
    problem: str = ""


def run(report: Report, settings: Settings) -> None:
    """Do the requested number of kills, each with its own seed."""
    count = settings.count or (12 if settings.quick else 300)
    home = settings.keep or settings.scratch
    logging.getLogger("ffenc").setLevel(logging.ERROR)  # it warns of every episode that was interrupted
    delays = {each: _delay(*each, settings) for each in ENCODERS}
    for (encoder, gop), delay in delays.items():
        report.remark(f"{encoder}, g={gop}: {delay} frames are inside the encoder while it waits for more")
    outcomes = []
    for seed in range(count):
        encoder, gop = ENCODERS[seed % len(ENCODERS)]
        place = home / f"kill-{seed:04d}"
        outcome = _kill(place, KINDS[seed // len(ENCODERS) % len(KINDS)], encoder, gop, seed, delays, settings.binaries)
        outcomes.append(outcome)
        if outcome.problem:
            report.remark(f"kill {seed}: {outcome.kind}, {outcome.encoder}: {outcome.problem}")
        else:
            shutil.rmtree(place)
    _tabulate(report, outcomes)


def _delay(encoder: str, gop: int, settings: Settings) -> int:
    """Return the number of frames that the encoder holds back while it waits for more."""
    path = settings.scratch / f"delay-{encoder}-{gop}.mp4"
    writer = VideoWriter(path, fps=30, config=config_of(encoder, gop), binaries=settings.binaries, durable=True)
    sent = 120
    for frame in numbered_frames(sent):
        writer.write(frame)
    assert writer.recording is not None
    found, fragments = -1, FragmentIndex(writer.recording.path)
    while found != fragments.update().count:
        found = fragments.count
        time.sleep(1)
    writer.abort()
    return sent - found


def _kill(
    place: Path, kind: str, encoder: str, gop: int, seed: int, delays: dict[tuple[str, int], int], binaries: Binaries
) -> Outcome:
    place.mkdir(parents=True)
    root, log, said = place / "dataset", place / "log", place / "stderr"
    random = Random(seed)
    with said.open("wb") as errors:
        victim = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py")), root, log, encoder, str(gop), str(seed)],
            env=os.environ | {"FFENC_FFMPEG": str(binaries.ffmpeg)},
            stderr=errors,
        )
    try:
        _wait_for(log, victim)
        time.sleep(random.uniform(0, LONGEST_S))
        killed_s, kind = _strike(victim, kind, binaries, random)
        victim.wait(_END_S)
    except (subprocess.TimeoutExpired, AssertionError) as err:
        victim.kill()
        victim.wait()
        return Outcome(kind=kind, encoder=encoder, problem=f"{err}: {said.read_text(errors='replace')[-2000:]}")
    _wait_until_gone(root)
    bound = delays[encoder, gop] + gop + QUEUE_MAXSIZE
    found = Outcome(kind=kind, encoder=f"{encoder} g={gop}", bound=bound)
    try:
        return _examine(root, read_log(log), killed_s, config_of(encoder, gop), found, binaries)
    except (BrokenDatasetError, FFencError) as err:
        return Outcome(kind=kind, encoder=found.encoder, bound=bound, problem=f"{type(err).__name__}: {err}")


def _strike(victim: subprocess.Popen[bytes], kind: str, binaries: Binaries, random: Random) -> tuple[float, str]:
    """Kill at a random time; return the time and the process."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (encoders := _encoders_of(victim.pid, binaries)) and kind != "python" and time.monotonic() < deadline:
        time.sleep(0.003)  # between two episodes
    chosen = [random.choice(encoders)] if encoders and kind == "ffmpeg" else encoders
    if not chosen:
        kind = "python"
    targets = {"ffmpeg": chosen, "python": [victim.pid], "both": [victim.pid, *chosen]}[kind]
    killed_s = time.monotonic()
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended by itself
            continue
    if kind == "ffmpeg":
        # It may have been one that had nothing to do any more; then the recording would go on for ever.
        time.sleep(1.5)
        if victim.poll() is None and not _is_ending(victim):
            victim.kill()
    return killed_s, kind


def _is_ending(victim: subprocess.Popen[bytes]) -> bool:
    try:
        victim.wait(3)
    except subprocess.TimeoutExpired:
        return False
    return True


def _encoders_of(pid: int, binaries: Binaries) -> list[int]:
    return [child for child in child_pids(pid) if runs(child, binaries.ffmpeg)]


def _wait_for(log: Path, victim: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while not log.exists() or log.stat().st_size == 0:
        assert victim.poll() is None, "the victim ended by itself"
        assert time.monotonic() < deadline, "the victim does not record"
        time.sleep(0.01)


def _wait_until_gone(root: Path) -> None:
    """Wait until no process has a file of the dataset open: an ffmpeg whose parent was killed ends by itself."""
    deadline = time.monotonic() + _END_S
    while any(_holds(process, root) for process in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "somebody still writes into a dataset whose recorder was killed"
        time.sleep(0.02)


def _holds(process: Path, root: Path) -> bool:
    try:
        return any(str(root) in str(file.readlink()) for file in (process / "fd").iterdir())
    except OSError:  # it has ended, or is not ours
        return False


def _examine(
    root: Path, log: list[Event], killed_s: float, config: VideoEncoderConfig, found: Outcome, binaries: Binaries
) -> Outcome:
    """Check the dataset, recover, and check again."""
    check_finals(root, binaries)
    check_dataset(root, binaries=binaries, allow_unused=True)
    before = time.perf_counter()
    with DatasetRecorder.resume(root, camera_encoder=config, binaries=binaries) as recorder:
        for interrupted in recorder.interrupted:
            try:
                recorder.recover(interrupted)
            except EpisodeError:  # not one whole frame; the bound says whether that may be
                continue
    recover_s = time.perf_counter() - before
    check_finals(root, binaries)
    episodes = check_dataset(root, binaries=binaries)
    for episode in episodes:
        _check_pictures(episode, binaries)
    lost = _check_loss(episodes, [event for event in log if event.time_s <= killed_s or event.kind == SAVED])
    problem = "" if lost <= found.bound else f"{lost} time steps lost, at most {found.bound} may be"
    return Outcome(
        kind=found.kind,
        encoder=found.encoder,
        bound=found.bound,
        episodes=len(episodes),
        lost=lost,
        recover_s=recover_s,
        problem=problem,
    )


def _check_pictures(episode: Episode, binaries: Binaries) -> None:
    """Check that a recovered episode is a prefix of the recorded one, in its rows and in every camera."""
    recorded, steps = episode.states[:, 0], episode.states[:, 1]
    if (recorded != recorded[0]).any() or (steps != np.arange(episode.length)).any():
        raise BrokenDatasetError(
            f"episode {episode.index} has rows {steps[:5]}... of recorded episodes {set(recorded)}"
        )
    for which, name in enumerate(CAMERAS):
        seen = [number_of(frame) for frame in frames_of(episode, key_of(name), binaries)]
        expected = [number_in_picture(int(recorded[0]), step, which) for step in range(episode.length)]
        if seen != expected:
            raise BrokenDatasetError(f"episode {episode.index}, {name}: the frames spell {seen}, expected {expected}")


def _check_loss(episodes: list[Episode], log: list[Event]) -> int:
    """Check that finished episodes are complete; return the largest loss of any other episode."""
    fed = Counter(event.episode for event in log if event.kind == FED)
    cleared = {event.episode for event in log if event.kind == CLEARED}
    there = {int(episode.states[0, 0]): episode.length for episode in episodes}
    if len(there) < len(episodes):
        raise BrokenDatasetError("an episode is there twice")
    for event in log:
        if event.kind == SAVED and there.get(event.episode) != event.step:
            raise BrokenDatasetError(
                f"episode {event.episode} was complete with {event.step} steps and has {there.get(event.episode)} now"
            )
    missing = {episode: count - there.get(episode, 0) for episode, count in fed.items() if episode not in cleared}
    return max(missing.values(), default=0)


def _tabulate(report: Report, outcomes: list[Outcome]) -> None:
    rows = []
    for encoder in dict.fromkeys(outcome.encoder for outcome in outcomes):
        for kind in KINDS:
            some = [each for each in outcomes if (each.encoder, each.kind) == (encoder, kind)]
            if some:
                lost = [each.lost for each in some if not each.problem]
                most = f"{np.median(lost):.0f}, {max(lost)}" if lost else "-"
                took = f"{np.median([each.recover_s for each in some]):.2f}"
                bad = sum(bool(each.problem) for each in some)
                rows.append(
                    [encoder, kind, str(len(some)), most, str(max(each.bound for each in some)), took, str(bad)]
                )
    report.table(
        f"{len(outcomes)} kills of a dataset recording, two cameras",
        ["encoder", "killed", "n", "steps lost: median, most", "may be", "recovery s", "wrong"],
        rows,
    )
    report.figure(
        "kills", "outcomes with anything wrong", [sum(bool(each.problem) for each in outcomes)], unit="", at_most=0
    )
