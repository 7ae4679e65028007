"""Jobs with a real FFmpeg give the right frames on threads, processes and Dask, also with killed workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, reencode_video
from ffenc.jobs.executors import executor_from
from ffenc.jobs.run import JobResult, run_jobs
from ffenc.jobs.spec import JobSpec
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration

FRAMES = 6
SOON_S = 60.0
H264 = VideoEncoderConfig(vcodec="h264")
SHARP = VideoEncoderConfig(vcodec="h264", crf=20)


def frame_numbers(path: str | Path, binaries: Binaries) -> list[int]:
    return numbers_of(VideoReader(path, binaries=binaries))


@pytest.fixture
def clips(tmp_path: Path, binaries: Binaries) -> list[Path]:
    """Return clips with different frames; clip k begins with the number 10 k."""
    paths = [tmp_path / f"clip-{number}.mp4" for number in range(6)]
    for number, path in enumerate(paths):
        encode_frames(numbered_frames(FRAMES, start=10 * number), path, fps=30, config=H264, binaries=binaries)
    return paths


def reencodes(clips: Sequence[Path]) -> list[JobSpec]:
    return [
        JobSpec.of("reencode", [clip], clip.parent / "out" / clip.name, config=SHARP, frames_expected=FRAMES)
        for clip in clips
    ]


def check_outputs(specs: Sequence[JobSpec], binaries: Binaries) -> None:
    """Check that every output has its own frames, and that only their records are beside the outputs."""
    for number, spec in enumerate(specs):
        assert frame_numbers(spec.output, binaries) == list(range(10 * number, 10 * number + FRAMES))
    names = {Path(spec.output).name for spec in specs}
    folder = Path(specs[0].output).parent
    assert {path.name for path in folder.iterdir()} == names | {f".{name}.job.json" for name in names}


def statuses(results: Sequence[JobResult]) -> list[str]:
    return [result.status for result in results]


@pytest.mark.smoke
@pytest.mark.one_build  # not every build reads PNG
def test_each_kind_equals_its_function(clips: list[Path], tmp_path: Path, binaries: Binaries) -> None:
    (tmp_path / "images").mkdir()
    for number, frame in enumerate(numbered_frames(4, start=100)):
        Image.fromarray(frame).save(tmp_path / "images" / f"{number:03d}.png")
    specs = [
        JobSpec.of("reencode", clips[:1], tmp_path / "cut.mp4", config=SHARP, start=2, end=5, frames_expected=3),
        JobSpec.of("concat", clips[1:3], tmp_path / "joined.mp4", frames_expected=2 * FRAMES),
        JobSpec.of("images", [tmp_path / "images"], tmp_path / "drawn.mp4", config=H264, fps="30000/1001"),
    ]
    results = run_jobs(specs, binaries=binaries)
    assert [result.error for result in results] == [None] * 3
    assert frame_numbers(specs[0].output, binaries) == [2, 3, 4]
    assert frame_numbers(specs[1].output, binaries) == [*range(10, 16), *range(20, 26)]
    assert frame_numbers(specs[2].output, binaries) == [100, 101, 102, 103]
    details = [result.result or {} for result in results]
    assert [detail["frames"] for detail in details] == [3, 12, 4]
    again = reencode_video(clips[0], tmp_path / "again.mp4", config=SHARP, start=2, end=5, binaries=binaries).to_json()
    assert details[0].keys() == again.keys()
    same = ("frames", "fps", "duration_s", "encoder", "encoder_options", "config")
    assert {name: details[0][name] for name in same} == {name: again[name] for name in same}
    assert details[0]["config"]["crf"] == 20
    assert details[1]["offsets"] == [0, 6]
    assert Fraction(details[2]["fps"]) == Fraction(30000, 1001)
    assert statuses(run_jobs(specs, binaries=binaries)) == ["skipped"] * 3


def test_truncated_input_fails_only_its_job(clips: list[Path], binaries: Binaries) -> None:
    clips[1].write_bytes(clips[1].read_bytes()[:-200])
    specs = reencodes(clips[:3])
    results = run_jobs(specs, binaries=binaries)
    assert statuses(results) == ["done", "failed", "done"]
    assert results[1].attempts == 1
    assert not Path(specs[1].output).exists()


def killing_ffmpeg(folder: Path, binaries: Binaries) -> Path:
    """Return an ffmpeg that once kills the worker that started it, during the job of clip 3."""
    script = folder / "ffmpeg"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in *clip-3.*.part.*)\n'
        f'  if mkdir "{folder}/killed" 2>/dev/null; then kill -9 $PPID; exit 1; fi ;;\n'
        "esac\n"
        f'exec "{binaries.ffmpeg}" "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.one_build
def test_killed_worker_process_costs_one_attempt(
    clips: list[Path], tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFENC_FFMPEG", str(killing_ffmpeg(tmp_path, binaries)))
    specs = reencodes(clips)
    with executor_from("processes:2", at_once=1) as workers:
        results = run_jobs(specs, executor=workers.executor, max_in_flight=2)
    assert (tmp_path / "killed").is_dir()
    assert statuses(results) == ["done"] * 6
    assert results[3].attempts == 2
    check_outputs(specs, binaries)


# The command line in processes of its own.


def ffenc(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "ffenc", "jobs", *map(str, words)]


def run_json(*words: str | Path, status: int = 0) -> Any:
    done = subprocess.run(ffenc(*words, "--json"), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def write_jobs(specs: Sequence[JobSpec]) -> Path:
    path = Path(specs[0].inputs[0]).with_name("jobs.jsonl")
    path.write_text("".join(spec.to_line() + "\n" for spec in specs))
    return path


@pytest.mark.one_build
def test_shards_of_a_file_run_separately(clips: list[Path], binaries: Binaries) -> None:
    specs = reencodes(clips)
    jobs = write_jobs(specs)
    first = run_json("run", jobs, "--shard=1/2")
    assert (first["jobs"], first["done"], first["failed"]) == (3, 3, 0)
    state = run_json("status", jobs)
    assert [entry["state"] for entry in state["states"]] == ["done", "missing"] * 3
    everything = run_json("run", jobs, "--executor=threads:2")
    assert [result["status"] for result in everything["results"]] == ["skipped", "done"] * 3
    check_outputs(specs, binaries)


@pytest.mark.one_build
def test_failed_job_sets_exit_status(clips: list[Path]) -> None:
    clips[1].write_bytes(b"no video")
    jobs = write_jobs(reencodes(clips[:2]))
    summary = run_json("run", jobs, status=1)
    assert (summary["done"], summary["failed"]) == (1, 1)
    shown = subprocess.run(ffenc("run", jobs), capture_output=True, text=True, timeout=200, check=False)
    assert shown.returncode == 1
    assert "1 of 2 jobs failed" in shown.stderr
    assert "0 done, 1 skipped, 1 failed" in shown.stdout


@pytest.mark.one_build
@pytest.mark.parametrize(
    ("executor", "number", "status"),
    [("threads:2", signal.SIGINT, 130), ("processes:2", signal.SIGINT, 130), ("threads:2", signal.SIGTERM, 143)],
)
def test_next_run_completes_interrupted_jobs(
    clips: list[Path], tmp_path: Path, binaries: Binaries, executor: str, number: int, status: int
) -> None:
    slow = tmp_path / "slow"
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *clip-1.*.part.*) exec "{binaries.ffmpeg}" -re "$@" ;; esac\nexec "{binaries.ffmpeg}" "$@"\n'
    )
    slow.chmod(0o755)
    # Read no faster than it is played, it takes longer than the test.
    encode_frames(numbered_frames(100), clips[1], fps=1, config=H264, binaries=binaries, overwrite=True)
    specs = [spec.model_copy(update={"frames_expected": None}) for spec in reencodes(clips)]
    jobs = write_jobs(specs)
    child = subprocess.Popen(
        ffenc("run", jobs, f"--executor={executor}"),
        env={**os.environ, "FFENC_FFMPEG": str(slow)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out = Path(specs[0].output).parent
    wait_until(lambda: Path(specs[5].output).exists() and any(out.glob(".clip-1.*.part.mp4")))
    os.killpg(child.pid, number)  # as the terminal does it, or a batch system
    assert child.communicate(timeout=SOON_S)[1] == ("interrupted\n" if number == signal.SIGINT else "")
    assert child.returncode == status
    assert not list(out.glob(".*part*"))
    again = run_json("run", jobs)
    assert [result["status"] for result in again["results"]] == ["skipped", "done", *["skipped"] * 4]
    assert frame_numbers(specs[1].output, binaries) == list(range(100))


def wait_until(happened: Any) -> None:
    until = time.monotonic() + SOON_S
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


# A scheduler and two workers, each a process of its own, on ports that the system chooses.


@contextmanager
def child_process(module: str, *words: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def dask_cluster(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return the address of a scheduler, and its two workers of one thread each."""
    pytest.importorskip("distributed")
    contact = folder / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)]
    with ExitStack() as stack:
        stack.enter_context(child_process("distributed.cli.dask_scheduler", *words, environment=environment))
        wait_until(contact.exists)
        worker = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--scheduler-file", str(contact)]
        worker += ["--local-directory", str(folder)]
        workers = [
            stack.enter_context(child_process("distributed.cli.dask_worker", *worker, environment=environment))
            for _ in range(2)
        ]
        yield json.loads(contact.read_text())["address"].removeprefix("tcp://"), workers


@pytest.mark.one_build
@pytest.mark.parametrize(("allowed_failures", "attempts"), [(3, 1), (0, 2)], ids=["dask repeats it", "we repeat it"])
def test_dask_worker_killed_during_job(
    clips: list[Path], tmp_path: Path, binaries: Binaries, allowed_failures: int, attempts: int
) -> None:
    specs = reencodes(clips)
    jobs = write_jobs(specs)
    environment = {
        "FFENC_FFMPEG": str(killing_ffmpeg(tmp_path, binaries)),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures),
    }
    with dask_cluster(tmp_path, environment) as (address, workers):
        summary = run_json("run", jobs, f"--executor=dask://{address}")
        wait_until(lambda: any(worker.poll() is not None for worker in workers))
        assert sorted((worker.poll() for worker in workers), key=str) == [-signal.SIGKILL, None]
        alive = {str(worker.pid) for worker in workers if worker.poll() is None}
    assert (summary["done"], summary["failed"]) == (6, 0)
    assert summary["results"][3]["attempts"] == attempts
    assert summary["results"][3]["worker"].rpartition(":")[2] in alive
    check_outputs(specs, binaries)


@pytest.mark.one_build
def test_local_dask_cluster(clips: list[Path], binaries: Binaries) -> None:
    pytest.importorskip("distributed")
    specs = reencodes(clips[:3])
    summary = run_json("run", write_jobs(specs), "--executor=dask:2")
    assert summary["done"] == 3
    assert str(os.getpid()) not in {result["worker"].rpartition(":")[2] for result in summary["results"]}
    check_outputs(specs, binaries)
