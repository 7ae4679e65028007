"""Every row has its frame after the recording process was killed around the start of an episode, many times."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ffenc import Binaries, find_binaries

pytest.importorskip("pyarrow")
from ffenc.dataset.reader import DatasetReader
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import EpisodeError
from tests.footage import number_of, numbered_frame
from tests.recordings_of_robots import CAMERA, CAMERAS, FPS, H264

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc"),
]

KILLS = int(os.environ.get("FFENC_KILLED_STARTS", "6"))
EPISODES = 8  # of one process; it is killed before its last one
STEPS = (1, 2, 5)  # lengths of episodes, in turn
PACE_S = 0.01
LATEST_S = 0.06  # from the end of an episode to the kill; the next one has all its steps then
STATE = "observation.state"
FEATURES = {STATE: {"dtype": "float32", "shape": (2,), "names": None}, **dict.fromkeys(CAMERAS, CAMERA)}
_GONE_WITHIN_S = 30.0


def number_shown(episode: int, step: int, camera: int) -> int:
    """Return the number in a frame, 0 to 255."""
    return (37 * episode + step + 101 * camera) % 256


def record(root: Path, first: int, *, warm: bool, ffmpeg: str) -> None:
    """Record episodes, and report on standard output when each starts (``start``) and is appended (``done``)."""
    binaries = find_binaries(ffmpeg, "none")
    options = {"camera_encoder": H264, "binaries": binaries, "warm_start": warm, "encoder_threads": 1}
    make = DatasetRecorder.resume if root.exists() else DatasetRecorder.create
    given = {} if root.exists() else {"repo_id": "me/set", "fps": FPS, "features": FEATURES}
    with make(root, **given, **options) as recorder:  # type: ignore[arg-type]
        for episode in range(first, first + EPISODES):
            os.write(1, b"start %d\n" % episode)
            for step in range(STEPS[episode % len(STEPS)]):
                frames = {
                    name: numbered_frame(number_shown(episode, step, camera), width=128, height=96)
                    for camera, name in enumerate(CAMERAS)
                }
                time.sleep(PACE_S)
                recorder.add_frame({STATE: np.array([episode, step], np.float32), "task": "go", **frames})
            appended = recorder.save_episode(wait=episode % 4 == 3)
            if appended.done():
                os.write(1, b"done %d\n" % episode)


def kill_around_a_start(root: Path, first: int, *, warm: bool, ffmpeg: str, random: Random) -> set[int]:
    """Kill a recording process; return the episodes that it reported as appended."""
    chosen, delay_s = random.randrange(first, first + EPISODES - 1), random.uniform(0, LATEST_S)
    call = f"record(Path({str(root)!r}), {first}, warm={warm}, ffmpeg={ffmpeg!r})"
    code = f"from pathlib import Path; from tests.faults.test_killed_starts import record; {call}"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as victim:
        assert victim.stdout is not None
        lines = []
        for line in victim.stdout:
            lines.append(line)
            if line == b"start %d\n" % chosen:
                time.sleep(delay_s)
                victim.kill()
        assert victim.wait() < 0, f"it ended by itself: {lines}"
    _wait_until_unused(root)
    return {int(line.split()[1]) for line in lines if line.startswith(b"done") and line.endswith(b"\n")}


def _wait_until_unused(root: Path) -> None:
    """Wait until no process has a file of the dataset open: an ffmpeg whose parent was killed ends by itself."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while any(_holds(process, root) for process in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "a process still writes into a dataset whose recorder was killed"
        time.sleep(0.02)


def _holds(process: Path, root: Path) -> bool:
    try:
        return any(f"{root}/" in str(file.readlink()) for file in (process / "fd").iterdir())
    except OSError:  # it has ended, or belongs to another user
        return False


def recover(root: Path, binaries: Binaries) -> None:
    """Append all interrupted episodes that have a complete step."""
    with DatasetRecorder.resume(root, camera_encoder=H264, binaries=binaries) as recorder:
        for each in recorder.interrupted:
            try:
                recorder.recover(each)
            except EpisodeError as err:
                assert "no frame that all cameras have" in str(err), err


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_every_row_has_its_frame_after_kills_around_the_start(warm: bool, binaries: Binaries, tmp_path: Path) -> None:
    root, random, done, first = tmp_path / "set", Random(int(warm)), set[int](), 0  # noqa: S311
    for kill in range(max(1, KILLS // 2)):
        done |= kill_around_a_start(root, first, warm=warm, ffmpeg=str(binaries.ffmpeg), random=random)
        first += EPISODES
        if kill % 2:  # others stay interrupted while the next process records
            recover(root, binaries)
    recover(root, binaries)
    found = {finding.code for finding in verify_dataset(root, binaries=binaries).findings}
    assert found <= {"leftover-recording"}  # episodes whose encoders had no frame yet
    lengths: dict[int, int] = {}
    for item in DatasetReader(root, layout="rgb", binaries=binaries):
        episode, step = (int(value) for value in np.asarray(item[STATE]))
        assert step == lengths.get(episode, 0), (
            f"episode {episode} has step {step} after {lengths.get(episode, 0)} steps"
        )
        lengths[episode] = step + 1
        shown = [number_of(np.asarray(item[name])) for name in CAMERAS]
        assert shown == [number_shown(episode, step, camera) for camera in range(len(CAMERAS))]
    assert {episode: lengths.get(episode) for episode in done} == {episode: STEPS[episode % 3] for episode in done}
    assert done
