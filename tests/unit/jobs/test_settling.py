"""What the driver does while an output is not visible yet, with a missing input, and with a worker that fails again."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import ffenc.jobs.run
from ffenc.errors import InputError
from tests.unit.jobs.test_workers import Cluster, good, run_on, without_ffmpeg


def test_hand_out_continues_while_an_output_is_not_visible(fakes, monkeypatch) -> None:
    seen_from_s = time.monotonic() + 0.8
    late = fakes.specs(1)[0].output
    look = ffenc.jobs.run._not_visible
    monkeypatch.setattr(
        ffenc.jobs.run,
        "_not_visible",
        lambda spec: "not yet" if spec.output == late and time.monotonic() < seen_from_s else look(spec),
    )
    order: list[str] = []
    results, _ = run_on(
        Cluster({"a": good}), fakes.specs(4), progress=lambda done, total, result: order.append(result.spec.output)
    )
    assert [result.status for result in results] == ["done"] * 4
    assert order[-1] == late
    assert time.monotonic() >= seen_from_s


def test_input_that_is_missing_here_too_is_not_the_fault_of_a_worker(fakes) -> None:
    specs = fakes.specs(6)
    missing = Path(specs[0].inputs[0]).with_name("missing.mp4")
    specs = [spec.model_copy(update={"inputs": (str(missing),)}) for spec in specs]

    def act(_output: Path, _progress: object) -> None:
        raise InputError(f"{missing}: No such file or directory", path=missing) from FileNotFoundError()

    fakes.act = act
    cluster = Cluster(dict.fromkeys("abcdef", good))
    results, set_aside = run_on(cluster, specs)
    assert [result.status for result in results] == ["failed"] * 6
    assert cluster.drawn == ["a"] * 6
    assert set_aside == {}


def test_worker_is_announced_once(fakes, caplog) -> None:
    def act(output: Path, _progress: object) -> None:
        if output.name == "00":
            without_ffmpeg()

    fakes.act = act
    told: list[str] = []
    cluster = Cluster({"broken": without_ffmpeg, "good": good})
    with caplog.at_level(logging.WARNING):
        ffenc.jobs.run.run_jobs(
            fakes.specs(6), executor=cluster, max_in_flight=1, set_aside=lambda worker, _: told.append(worker)
        )
    assert told.count("broken") == 1
    assert sum("gets no more jobs" in each.getMessage() for each in caplog.records) == len(told)
