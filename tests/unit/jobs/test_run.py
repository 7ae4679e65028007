"""Many jobs: order, failures as data, what is tried again, what an interrupt leaves."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ffenc.errors import EncoderUnavailableError, InputError, ProcessDiedError, ProcessError
from ffenc.jobs.perform import perform_job
from ffenc.jobs.record import job_state
from ffenc.jobs.run import JobResult, jobs_at_once, run_jobs
from ffenc.jobs.spec import JobSpec


def statuses(results: list[JobResult]) -> list[str]:
    return [result.status for result in results]


def died() -> ProcessError:
    return ProcessDiedError("ffmpeg ended early", argv=["ffmpeg"], returncode=-9, stderr_tail="its words")


def test_results_come_in_the_order_of_the_specs(fakes) -> None:
    specs = fakes.specs(9)
    first_may_end = threading.Event()

    def act(output: Path, _progress: object) -> None:
        if output.name == "00":
            assert first_may_end.wait(20)
        elif output.name == "08":
            first_may_end.set()

    fakes.act = act
    results = run_jobs(specs)
    assert [result.spec for result in results] == specs
    assert statuses(results) == ["done"] * 9
    assert results[0].result == {"path": specs[0].output, "frames": 3, "size_bytes": 3}
    assert sorted(fakes.begun) == [f"{number:02d}" for number in range(9)]


def test_nothing_is_done_twice(fakes) -> None:
    specs = fakes.specs(3)
    first = run_jobs(specs)
    (fakes.folder / "01.txt").write_text("abcd")
    fakes.begun.clear()
    again = run_jobs(specs)
    assert statuses(again) == ["skipped", "done", "skipped"]
    assert fakes.begun == ["01"]
    assert again[0].result == first[0].result
    assert again[1].result is not None
    assert again[1].result["frames"] == 4


def test_a_failure_is_data_and_the_others_go_on(fakes) -> None:
    def act(output: Path, _progress: object) -> None:
        if output.name == "01":
            raise InputError("no such luck", path=output)
        if output.name == "02":
            raise ZeroDivisionError

    fakes.act = act
    results = run_jobs(fakes.specs(4), retries=5)
    assert statuses(results) == ["done", "failed", "failed", "done"]
    assert results[1].error is not None
    assert results[2].error is not None
    assert (results[1].error.type, results[1].error.message) == ("InputError", "no such luck")
    assert (results[2].error.type, results[2].error.message) == ("ZeroDivisionError", "ZeroDivisionError")
    assert fakes.names() == [".00.job.json", ".03.job.json", "00", "03"]
    json.dumps([result.to_json() for result in results])


@pytest.mark.parametrize(
    ("retries", "deaths", "status", "attempts"), [(0, 1, "failed", 1), (1, 1, "done", 2), (2, 3, "failed", 3)]
)
def test_a_process_that_died_is_tried_again(fakes, retries: int, deaths: int, status: str, attempts: int) -> None:
    left = [died() for _ in range(deaths)]

    def act(_output: Path, _progress: object) -> None:
        if left:
            raise left.pop()

    fakes.act = act
    (result,) = run_jobs([fakes.spec("a")], retries=retries)
    assert (result.status, result.attempts, len(fakes.begun)) == (status, attempts, attempts)
    if status == "failed":
        assert result.error is not None
        assert result.error.stderr_tail == "its words"
        assert result.error.may_pass
        assert fakes.names() == []


@pytest.mark.parametrize(
    "refusal",
    [
        EncoderUnavailableError("none", requested="h264"),
        InputError("torn", path="x"),
        ValueError("wrong"),
        OSError("full"),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_what_was_refused_is_not_tried_again(fakes, refusal: Exception) -> None:
    def act(_output: Path, _progress: object) -> None:
        raise refusal

    fakes.act = act
    (result,) = run_jobs([fakes.spec("a")], retries=3)
    assert (result.status, result.attempts) == ("failed", 1)


def test_an_output_that_no_job_made_is_left_alone(fakes) -> None:
    spec = fakes.spec("a")
    Path(spec.output).parent.mkdir()
    Path(spec.output).write_text("mine")
    (result,) = run_jobs([spec])
    assert result.error is not None
    assert "no job made it" in result.error.message
    assert Path(spec.output).read_text() == "mine"
    assert fakes.names() == ["a"]


def test_only_what_a_job_made_may_be_replaced(fakes) -> None:
    """A file of somebody else may appear while the job is at work."""
    spec = fakes.spec("a")
    run_jobs([spec])
    (fakes.folder / "a.txt").write_text("new")
    run_jobs([spec])
    assert fakes.overwriting == [False, True]


def test_a_stale_output_stays_until_it_is_replaced(fakes) -> None:
    spec = fakes.spec("a")
    run_jobs([spec])
    (fakes.folder / "a.txt").write_text("new")

    def act(output: Path, _progress: object) -> None:
        raise InputError("torn", path=output)

    fakes.act = act
    assert statuses(run_jobs([spec])) == ["failed"]
    assert Path(spec.output).read_text() == "abc"
    assert job_state(spec).reason == "it was started and not finished"
    fakes.act = lambda *_: None
    assert statuses(run_jobs([spec])) == ["done"]
    assert Path(spec.output).read_text() == "new"


def test_another_number_of_frames_than_expected_is_no_output(fakes) -> None:
    (result,) = run_jobs([fakes.spec("a", frames_expected=4)])
    assert result.error is not None
    assert "has 3 frames instead of 4" in result.error.message
    assert fakes.names() == []


def test_progress_counts_every_job_once(fakes) -> None:
    seen: list[tuple[int, int, str]] = []
    specs = fakes.specs(5)
    run_jobs(specs, progress=lambda done, total, result: seen.append((done, total, result.spec.output)))
    assert [(done, total) for done, total, _ in seen] == [(number, 5) for number in range(1, 6)]
    assert sorted(output for *_, output in seen) == [spec.output for spec in specs]


class Counting(ThreadPoolExecutor):
    """Notes how many jobs were with it at most."""

    most = 0
    now = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is perform_job:
            self.now += 1
            self.most = max(self.most, self.now)
        return super().submit(fn, *args, **kwargs)


def test_no_more_than_max_in_flight_are_handed_out(fakes) -> None:
    with Counting(2) as executor:

        def settled(_done: int, _total: int, _result: JobResult) -> None:
            executor.now -= 1

        results = run_jobs(fakes.specs(12), executor=executor, max_in_flight=3, progress=settled)
    assert statuses(results) == ["done"] * 12
    assert executor.most == 3


class Broken(Executor):
    """Loses every job, the first ones while they are with it and the others at once."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Any, /, *_: Any, **__: Any) -> Future[Any]:
        if fn is not perform_job:
            raise RuntimeError("the scheduler is gone")
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("the scheduler is gone")
        future: Future[Any] = Future()
        if self.calls == 1:
            future.set_exception(MemoryError("worker lost"))
        else:
            future.cancel()
            future.set_running_or_notify_cancel()
        return future


def test_lost_workers_are_failures_that_were_tried_again(fakes) -> None:
    executor = Broken()
    results = run_jobs(fakes.specs(3), executor=executor, retries=1)
    assert [(result.status, result.attempts) for result in results] == [("failed", 2)] * 3
    assert {result.error.message for result in results if result.error} == {"the scheduler is gone"}
    assert executor.calls == 6


def test_an_interrupt_stops_what_runs_and_the_rest_is_done_later(fakes) -> None:
    specs = fakes.specs(8)
    two_at_work = threading.Barrier(3)

    def act(output: Path, progress: Any) -> None:
        if output.name in ("01", "02"):
            two_at_work.wait(20)
            while True:  # as an encode that takes for ever: only the progress callback can end it
                progress(1, None)

    def interrupt(_done: int, _total: int, _result: JobResult) -> None:
        two_at_work.wait(20)
        raise KeyboardInterrupt

    fakes.act = act
    with ThreadPoolExecutor(2) as executor, pytest.raises(KeyboardInterrupt):
        run_jobs(specs, executor=executor, max_in_flight=5, progress=interrupt)
    assert sorted(fakes.begun) == ["00", "01", "02"]
    assert fakes.names() == [".00.job.json", "00"]

    fakes.act = lambda *_: None
    assert statuses(run_jobs(specs)) == ["skipped"] + ["done"] * 7


def test_the_right_number_of_jobs_keeps_the_cores_busy(tmp_path: Path) -> None:
    def jobs(**arguments: object) -> list[JobSpec]:
        return [JobSpec.of("reencode", ["/a.mp4"], "/b.mp4", **arguments)]

    assert jobs_at_once(jobs(), cores=2) == 2
    assert jobs_at_once(jobs(), cores=16) == 4
    assert jobs_at_once(jobs(), cores=17) == 5
    assert jobs_at_once(jobs(encoder_threads=1), cores=16) == 16
    assert jobs_at_once(jobs(encoder_threads=32), cores=16) == 2
    assert jobs_at_once([JobSpec.of("concat", ["/a.mp4"], "/b.mp4"), *jobs(encoder_threads=2)], cores=16) == 8


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"max_in_flight": 0}])
def test_wrong_numbers_are_refused(fakes, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 0"):
        run_jobs(fakes.specs(1), **wrong)
    assert run_jobs([]) == []
