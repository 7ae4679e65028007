"""A refused thread and replaced threads raise a typed error, and nothing half-written is left."""

from __future__ import annotations

import _thread
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, JobSpec, VideoWriter, run_jobs
from ffenc.errors import FFencError, ThreadStartError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.threads import ThreadPool, start_thread

pytest.importorskip("pyarrow")
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.in_place import locked_dataset
from ffenc.dataset.verify.verify import verify_dataset
from tests.dataset_operations import (
    H264,
    OPERATIONS,
    check_whole,
    copy_tree,
    prepare,
    signature,
)

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FRAMES = [np.full((48, 64, 3), number, np.uint8) for number in range(4)]
FEATURES: dict[str, Any] = {
    "action": {"dtype": "float32", "shape": (1,), "names": None},
    "observation.images.top": {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]},
}


@contextmanager
def at_most(count: int) -> Iterator[list[None]]:
    """Let the system start this many threads; yield a list with one entry for each attempt."""
    attempts: list[None] = []

    def limited(start: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*arguments: Any, **keywords: Any) -> Any:
            attempts.append(None)
            if len(attempts) > count:
                raise RuntimeError("can't start new thread")
            return start(*arguments, **keywords)

        return replacement

    names = [(_thread, "start_new_thread"), (threading, "_start_new_thread"), (threading, "_start_joinable_thread")]
    with pytest.MonkeyPatch.context() as patch:
        for module, name in names:
            if hasattr(module, name):
                patch.setattr(module, name, limited(getattr(module, name)))
        yield attempts


def write(home: Path, binaries: Binaries) -> None:
    with VideoWriter(home / "clip.mp4", fps=10, config=H264, binaries=binaries) as writer:
        for frame in FRAMES:
            writer.write(frame)


def record(home: Path, binaries: Binaries) -> None:
    root = home / "new"
    with DatasetRecorder.create(root, "me/new", 10, FEATURES, camera_encoder=H264, binaries=binaries) as recorder:
        for frame in FRAMES:
            recorder.add_frame({"action": np.zeros(1, np.float32), "observation.images.top": frame, "task": "t"})
        recorder.save_episode(wait=True)


def reencode_by_jobs(home: Path, binaries: Binaries) -> None:
    (clip,) = home.glob("set/videos/*/*/file-000.mp4")
    config = json.loads(H264.model_dump_json(exclude_unset=True))
    specs = [
        JobSpec(kind="reencode", inputs=[str(clip)], output=str(home / f"{n}.mp4"), arguments={"config": config})
        for n in range(3)
    ]
    for result in run_jobs(specs, binaries=binaries):
        if result.error is not None:
            assert result.error.type == "ThreadStartError", result.error
            raise FFencError(result.error.message)


def of_dataset(name: str) -> Callable[[Path, Binaries], object]:
    return lambda home, binaries: OPERATIONS[name].run(home / "set", home / "out", binaries, False)


WORK: dict[str, Callable[[Path, Binaries], object]] = {
    "write": write,
    "record": record,
    "jobs": reencode_by_jobs,
    **{name: of_dataset(name) for name, each in OPERATIONS.items() if each.kind != "view"},
    "verify": of_dataset("verify"),
}


@pytest.mark.parametrize("name", WORK)
def test_work_without_further_threads(name: str, recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    def home_of(step: object) -> Path:
        home = tmp_path / str(step)
        prepare(name, copy_tree(recorded, home / "set"))
        return home

    with at_most(sys.maxsize) as attempts:
        whole = home_of("whole")
        before = signature(whole / "set")
        WORK[name](whole, binaries)
    ends = {before, signature(whole / "set")}
    for count in sorted({0, 1, len(attempts) // 2, len(attempts) - 1} & set(range(len(attempts)))):
        home = home_of(count)
        failed = False
        with at_most(count):
            try:
                WORK[name](home, binaries)
            except FFencError as err:
                failed = True
                assert "refuses a thread" in str(err) or "can't start new thread" in str(err), err
        if not (home / "set").exists() or name == "jobs":
            assert not list(home.glob(".*.part*"))
            assert {path.name[1:-9] for path in home.glob(".*.job.json")} == {path.name for path in home.glob("*.mp4")}
            continue
        with locked_dataset(home / "set"):  # leftovers of the work are removed
            pass
        left = {path.name for path in home.iterdir()} - {"set"}
        if name == "record" and (home / "new").exists():
            assert verify_dataset(home / "new", "packets", binaries=binaries).severities["error"] == 0
        elif failed:
            assert left == set()
        assert signature(home / "set") in ends
        if not name.startswith("repair"):
            assert verify_dataset(home / "set", "packets", binaries=binaries).severities["error"] == 0


def test_pool_works_with_fewer_threads() -> None:
    with at_most(1) as attempts, ThreadPool(4) as pool:
        both = threading.Event()
        first = pool.submit(both.wait, 10)
        second = pool.submit(both.set)  # in the thread of the first, if that ended
        both.set()
        assert first.result(timeout=10)
        assert second.result(timeout=10) is None
    assert len(attempts) > 1


def test_thread_error_names_the_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda number: (77 if number == resource.RLIMIT_NPROC else -1, -1))
    monkeypatch.setattr("ffenc.threads._PIDS_MAX", tmp_path / "pids.max")
    (tmp_path / "pids.max").write_text("99\n")
    with at_most(0), pytest.raises(ThreadStartError) as caught:
        start_thread(threading.Thread(target=print, name="camera top"))
    for part in ("a thread for camera top", "77 processes", "(ulimit -u)", "99 (pids.max)", "use fewer cameras"):
        assert part in str(caught.value)


PATCHES = {
    "gevent": ("gevent.monkey", "patch_all", ("thread", "queue", "select", "os", "subprocess")),
    "eventlet": ("eventlet", "monkey_patch", ("thread", "select", "os", "subprocess")),
}


def in_patched_process(directory: str) -> None:
    """Record and encode; print the errors and the resulting files."""
    home, binaries = Path(directory), find_binaries()
    for work in (write, record):
        try:
            work(home, binaries)
        except ThreadStartError as err:
            print(err)
    print(sorted(path.name for path in home.iterdir()))


@pytest.mark.parametrize("library", PATCHES)
@pytest.mark.parametrize("left_out", [False, True], ids=["all", "all but threads"])
def test_cooperative_threads_are_refused(library: str, left_out: bool, tmp_path: Path, binaries: Binaries) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    module, name, parts = PATCHES[library]
    options = ", ".join(f"{part}=False" for part in parts) if left_out else ""
    # The patch comes first, as these libraries demand.
    code = (
        f"import warnings; warnings.simplefilter('ignore'); import {module}; {module}.{name}({options}); "
        f"from tests.faults.test_threads import in_patched_process; in_patched_process({str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.splitlines()
    if left_out:
        assert said == ["['clip.mp4', 'new']"]
        check_whole(tmp_path / "new", binaries)
        return
    assert len(said) == 3
    assert all(line.startswith(f"{library} has replaced") and f"{module}.{name}(" in line for line in said[:2])
    assert said[2] == "[]"
