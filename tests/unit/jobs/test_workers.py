"""Workers with environments of their own: what is retried elsewhere, who is set aside, and which builds may be mixed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import ffenc.jobs.run
from ffenc.errors import BinaryNotFoundError, InputError
from ffenc.jobs.executors import NoWorkerLeftError, SelectiveExecutor
from ffenc.jobs.perform import BuildMismatchError, perform_job, worker_build
from ffenc.jobs.record import read_record
from ffenc.jobs.run import JobResult, run_jobs

NO_FFMPEG = BinaryNotFoundError("ffmpeg", [("PATH", "nothing")], remedy="install one")


class Cluster(SelectiveExecutor):
    """Workers that work at once, in turn; the first one draws every job that may go there, as a failing worker does.

    Attributes:
        environments: by the name of a worker, what happens to a job there before it begins.
        builds: FFmpeg build by the name of a worker.
        drawn: names of the workers that got a job, in order.
    """

    def __init__(
        self, environments: dict[str, Callable[[], object]], builds: dict[str, str | None] | None = None
    ) -> None:
        self.environments = environments
        self.builds = builds or dict.fromkeys(environments, "9.0")
        self.drawn: list[str] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.submit_avoiding((), fn, *args)

    def submit_avoiding(self, avoided: Collection[str], fn: Any, /, *args: Any) -> Future[Any]:
        assert fn is perform_job
        allowed = [name for name in self.environments if name not in avoided]
        if not allowed:
            raise NoWorkerLeftError("none left")
        self.drawn.append(allowed[0])
        future: Future[Any] = Future()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ffenc.jobs.perform.worker_name", lambda: allowed[0])
            patch.setattr("ffenc.jobs.perform.worker_build", self._build_here(allowed[0]))
            future.set_result(perform_job(*args))
        return future

    def _build_here(self, worker: str) -> Callable[[object], str | None]:
        def build(_binaries: object) -> str | None:
            self.environments[worker]()
            return self.builds[worker]

        return build

    def on_each(self, fn: Any, /, *args: Any) -> dict[str, Any]:
        assert fn is worker_build
        return dict(self.builds)

    def release_stranded(self) -> None:
        pass


def good() -> None:
    """Nothing is wrong with this worker."""


def without_ffmpeg() -> None:
    raise NO_FFMPEG


def without_shared_folder() -> None:
    raise InputError("cannot be read", path="in.mp4") from FileNotFoundError()


def run_on(cluster: Cluster, specs: list[Any], **options: Any) -> tuple[list[JobResult], dict[str, str]]:
    set_aside: dict[str, str] = {}
    results = run_jobs(specs, executor=cluster, max_in_flight=1, set_aside=set_aside.__setitem__, **options)
    return results, set_aside


@pytest.mark.parametrize("environment", [without_ffmpeg, without_shared_folder])
def test_jobs_of_a_broken_worker_are_done_by_another_one(fakes, environment) -> None:
    cluster = Cluster({"broken": environment, "good": good})
    results, set_aside = run_on(cluster, fakes.specs(6), retries=0)
    assert [result.status for result in results] == ["done"] * 6
    assert {result.worker for result in results} == {"good"}
    assert cluster.drawn.count("broken") == 2
    assert list(set_aside) == ["broken"]


def test_job_that_fails_on_every_worker_fails_and_nobody_is_set_aside_for_it(fakes) -> None:
    def act(output: Path, _progress: object) -> None:
        if output.name in ("00", "01", "02", "03"):
            without_shared_folder()

    fakes.act = act
    cluster = Cluster({"a": good, "b": good})
    results, _ = run_on(cluster, fakes.specs(8))
    assert [result.status for result in results] == ["failed"] * 4 + ["done"] * 4
    assert {result.error.message for result in results if result.error} == {"cannot be read"}


def test_job_that_fails_everywhere_is_tried_on_five_workers(fakes) -> None:
    cluster = Cluster(dict.fromkeys("abcdefgh", without_ffmpeg))
    (result,), _ = run_on(cluster, fakes.specs(1))
    assert (result.status, cluster.drawn) == ("failed", list("abcde"))


def test_output_that_is_not_here_is_not_done(fakes, monkeypatch) -> None:
    monkeypatch.setattr(ffenc.jobs.run, "_VISIBLE_WITHIN_S", 0.1)
    spec = fakes.spec("a")

    class Elsewhere(Cluster):
        """The first worker's output directory is not shared, so its files are not visible on this machine."""

        def submit_avoiding(self, avoided: Collection[str], fn: Any, /, *args: Any) -> Future[Any]:
            future = super().submit_avoiding(avoided, fn, *args)
            if self.drawn[-1] == "unshared":
                Path(spec.output).unlink()
            return future

    results, _ = run_on(Elsewhere({"unshared": good, "good": good}), [spec])
    assert [(result.status, result.worker) for result in results] == [("done", "good")]
    results, _ = run_on(Elsewhere({"unshared": good}), [fakes.spec("a", text="other")])
    assert results[0].error is not None
    assert "is not visible on this machine (No such file or directory)" in results[0].error.message


def test_output_that_is_another_file_here_is_not_done(fakes, monkeypatch) -> None:
    monkeypatch.setattr(ffenc.jobs.run, "_VISIBLE_WITHIN_S", 0.1)
    spec = fakes.spec("a")

    class Other(Cluster):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = super().submit(fn, *args)
            Path(spec.output).write_text("another length")
            return future

    (result,), _ = run_on(Other({"a": good}), [spec])
    assert result.error is not None
    assert "is another file" in result.error.message


def test_workers_with_different_builds_are_refused(fakes) -> None:
    cluster = Cluster({"a": good, "b": good, "c": good}, {"a": "8.1", "b": "9.0", "c": None})
    with pytest.raises(BuildMismatchError, match=r"8\.1 on a; 9\.0 on b\..*--allow_mixed_builds"):
        run_on(cluster, fakes.specs(2))
    assert cluster.drawn == []
    results, _ = run_on(cluster, fakes.specs(2), allow_mixed_builds=True)
    assert [result.status for result in results] == ["done"] * 2


def test_worker_with_another_build_that_joins_later_gets_no_job_done(fakes) -> None:
    class Growing(Cluster):
        def on_each(self, fn: Any, /, *args: Any) -> dict[str, Any]:
            return {"old": "9.0"}

    cluster = Growing({"new": good, "old": good}, {"new": "8.1", "old": "9.0"})
    results, set_aside = run_on(cluster, fakes.specs(4))
    assert {(result.status, result.worker) for result in results} == {("done", "old")}
    assert "has FFmpeg 8.1, but the run uses FFmpeg 9.0" in set_aside["new"]


def test_record_has_the_build_and_a_later_build_is_refused(fakes) -> None:
    specs = fakes.specs(2)
    run_on(Cluster({"a": good}, {"a": "8.1"}), specs[:1])
    assert read_record(specs[0].output).build == "8.1"  # type: ignore[union-attr]
    later = Cluster({"a": good}, {"a": "9.0"})
    results, _ = run_on(later, specs)
    assert [result.status for result in results] == ["failed", "done"]
    assert results[0].error is not None
    assert "was made by FFmpeg 8.1, but this run uses FFmpeg 9.0" in results[0].error.message
    results, _ = run_on(later, specs, allow_mixed_builds=True)
    assert [result.status for result in results] == ["skipped"] * 2
