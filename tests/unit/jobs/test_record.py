"""A job is done once: what is skipped, what is made again, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffenc.jobs.record import (
    JobRecord,
    job_state,
    read_record,
    record_path,
    remove_leftovers,
    remove_record,
    write_record,
)
from ffenc.jobs.run import run_jobs


def test_the_states_of_a_job(fakes) -> None:
    spec = fakes.spec("a")
    output = Path(spec.output)
    assert job_state(spec).name == "missing"
    assert run_jobs([spec])[0].status == "done"
    assert job_state(spec).name == "done"
    assert job_state(fakes.spec("a", frames_expected=3)).reason == "the job or an input has changed"

    (fakes.folder / "a.txt").write_text("abd")
    assert job_state(spec).name == "stale"
    (fakes.folder / "a.txt").write_text("abc")
    assert job_state(spec).name == "done"

    output.write_text("abcd")
    assert job_state(spec).reason == "the size of the output has changed"
    output.write_text("abc")
    write_record(output, JobRecord(digest=spec.digest()))
    assert (job_state(spec).name, job_state(spec).reason) == ("stale", "it was started and not finished")
    remove_record(output)
    remove_record(output)
    assert job_state(spec).name == "foreign"


def test_without_its_input_nobody_can_say_that_a_job_is_done(fakes) -> None:
    spec = fakes.spec("a")
    run_jobs([spec])
    (fakes.folder / "a.txt").unlink()
    state = job_state(spec)
    assert state.name == "stale"
    assert "a.txt cannot be read" in state.reason


def test_a_record_is_hidden_and_comes_back(tmp_path: Path) -> None:
    output = tmp_path / "clip.mp4"
    record = JobRecord(digest="d", size_bytes=3, result={"frames": 2, "fps": "30000/1001"})
    assert read_record(output) is None
    write_record(output, record)
    assert record_path(output) == tmp_path / ".clip.mp4.job.json"
    assert read_record(output) == record
    assert list(tmp_path.iterdir()) == [record_path(output)]


@pytest.mark.parametrize("text", ["", "{", '{"digest": 3}', "[]"])
def test_a_damaged_record_matches_nothing(fakes, text: str, caplog: pytest.LogCaptureFixture) -> None:
    spec = fakes.spec("a")
    run_jobs([spec])
    record_path(spec.output).write_text(text)
    assert job_state(spec).name == "stale"
    assert "is not a valid job record" in caplog.text
    assert run_jobs([spec])[0].status == "done"


def test_only_older_leftovers_of_the_same_output_are_removed(tmp_path: Path) -> None:
    output = tmp_path / "cl[i]p.mp4"
    names = (".cl[i]p.0123abcd.part.mp4", ".cl[i]p.99999999.part.mp4", ".clip.0123abcd.part.mp4", "other.mp4")
    old, young, other, plain = (tmp_path / name for name in names)
    for path in (old, young, other, plain):
        path.touch()
        os.utime(path, ns=(1, 1))
    remove_leftovers(output)  # there is no record, so nobody knows what is old
    assert old.exists()
    write_record(output, JobRecord(digest="d"))
    os.utime(young)
    os.utime(record_path(output), ns=(2, 2))
    remove_leftovers(output)
    assert [path.exists() for path in (old, young, other, plain)] == [False, True, True, True]
