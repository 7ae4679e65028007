"""Jobs as JSON: what is refused, what comes back from a file, and when a job counts as another one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import InputError
from ffenc.jobs.kinds import KINDS
from ffenc.jobs.spec import SMALL_BYTES, JobSpec, check_independent, read_specs, take_shard


def reencode(source: Path, output: Path, **arguments: object) -> JobSpec:
    return JobSpec.of("reencode", [source], output, **arguments)


def read_back(spec: JobSpec) -> JobSpec:
    return JobSpec.model_validate_json(spec.to_line())


def config_of(spec: JobSpec) -> object:
    return KINDS[spec.kind].arguments.model_validate(spec.arguments).keywords()["config"]


def test_a_line_holds_what_was_given_and_nothing_else(tmp_path: Path) -> None:
    spec = reencode(tmp_path / "a.mp4", tmp_path / "b.mp4", config=VideoEncoderConfig(vcodec="h264"), start=3)
    assert spec.arguments == {"config": {"vcodec": "h264"}, "start": 3}
    assert read_back(spec) == spec
    assert "\n" not in spec.to_line()


def test_a_config_keeps_which_fields_were_given(tmp_path: Path) -> None:
    config = VideoEncoderConfig(vcodec="h264", crf=30, extra_options={"x264-params": {"aq-mode": 2}})
    back = config_of(read_back(reencode(tmp_path / "a.mp4", tmp_path / "b.mp4", config=config)))
    assert back == config
    assert isinstance(back, VideoEncoderConfig)
    assert back.model_fields_set == {"vcodec", "crf", "extra_options"}


def test_a_depth_config_stays_one_with_its_own_defaults(tmp_path: Path) -> None:
    back = config_of(read_back(reencode(tmp_path / "a.mp4", tmp_path / "b.mp4", config=DepthEncoderConfig(shift=2.0))))
    assert back == DepthEncoderConfig(shift=2.0)
    assert isinstance(back, DepthEncoderConfig)


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = JobSpec.of("concat", ["a.mp4", Path("b.mp4")], "c.mp4")
    assert spec.inputs == (f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4")
    assert spec.output == f"{tmp_path}/c.mp4"


GOOD = {"kind": "reencode", "inputs": ["/a.mp4"], "output": "/b.mp4"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "transcode"}, "expected one of reencode, images, concat"),
        ({"inputs": []}, "at least 1 item"),
        ({"inputs": ["/a.mp4", "/c.mp4"]}, "takes one input, not 2"),
        ({"inputs": ["a.mp4"]}, "not an absolute path"),
        ({"output": "b.mp4"}, "not an absolute path"),
        ({"output": "/a.mp4"}, "is also an input"),
        ({"frames_expected": 0}, "greater than or equal to 1"),
        ({"frames_expected": "8"}, "valid integer"),
        ({"arguments": {"begin": 3}}, "begin"),
        ({"arguments": {"start": -1}}, "greater than or equal to 0"),
        ({"arguments": {"config": {"vcodec": "h264", "qp": 3}}}, "has no field 'qp'"),
        ({"arguments": {"config": {}, "depth_config": {}}}, "not both"),
        ({"kind": "images"}, "fps"),
        ({"kind": "images", "arguments": {"fps": 29.97}}, "fps"),
        ({"kind": "images", "arguments": {"fps": "30/0"}}, "not a number"),
        ({"kind": "concat", "arguments": {"config": {}}}, "config"),
        ({"priority": 3}, "priority"),
    ],
)
def test_what_is_no_job_is_refused(change: dict[str, object], reason: str) -> None:
    JobSpec.model_validate(GOOD)
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate({**GOOD, **change})
    assert reason in str(caught.value)


def test_a_digest_is_of_the_spec_and_of_the_content_of_a_small_input(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"1234")
    spec = reencode(source, tmp_path / "b.mp4", start=1)
    digest = spec.digest()
    assert read_back(spec).digest() == digest
    os.utime(source, ns=(1, 1))
    assert spec.digest() == digest
    assert reencode(source, tmp_path / "b.mp4", start=2).digest() != digest
    source.write_bytes(b"1235")
    assert spec.digest() != digest


def test_a_large_input_counts_by_size_and_time(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.touch()
    os.truncate(source, SMALL_BYTES + 1)
    spec = reencode(source, tmp_path / "b.mp4")
    digest = spec.digest()
    os.utime(source, ns=(1, 1))
    touched = spec.digest()
    os.truncate(source, SMALL_BYTES + 2)
    os.utime(source, ns=(1, 1))
    assert len({digest, touched, spec.digest()}) == 3


def test_only_the_images_of_a_directory_count(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"frame-{number}.png").write_bytes(b"x")
    spec = JobSpec.of("images", [tmp_path], tmp_path / "out.mp4", fps=30)
    digest = spec.digest()
    (tmp_path / "out.mp4").write_bytes(b"video")
    assert spec.digest() == digest
    shutil.copy(tmp_path / "frame-2.png", tmp_path / "frame-3.png")
    assert spec.digest() != digest


def test_an_input_that_is_not_there_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4 cannot be read: No such file"):
        reencode(tmp_path / "a.mp4", tmp_path / "b.mp4").digest()


def test_a_file_of_jobs_is_read_in_its_order_without_its_empty_lines(tmp_path: Path) -> None:
    specs = [reencode(tmp_path / f"{k}.mp4", tmp_path / f"{k}.out.mp4") for k in (2, 0, 1)]
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n\n".join(spec.to_line() for spec in specs) + "\n")
    assert read_specs(path) == specs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "contains no jobs"),
        ('{"kind"\n', "line 1 of .* Invalid JSON"),
        ("{good}\n{relative}\n", r"line 2 of .*output: 'b.mp4' is not an absolute path"),
        ("{good}\n{good}\n", "two jobs write /b.mp4"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_by_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "jobs.jsonl"
    good = JobSpec.model_validate(GOOD).to_line()
    path.write_text(text.replace("{good}", good).replace("{relative}", good.replace('"/b.mp4"', '"b.mp4"')))
    with pytest.raises(InputError, match=reason):
        read_specs(path)


def test_a_missing_file_of_jobs_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read jobs from .*none\.jsonl: No such file"):
        read_specs(tmp_path / "none.jsonl")


def test_jobs_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    first = reencode(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with pytest.raises(ValueError, match=r"b\.mp4 is the output of one job and an input of another"):
        check_independent([reencode(tmp_path / "b.mp4", tmp_path / "c.mp4"), first])


def test_shards_are_all_of_the_jobs_once(tmp_path: Path) -> None:
    specs = [reencode(tmp_path / "a.mp4", tmp_path / f"{k}.mp4") for k in range(10)]
    shards = [take_shard(specs, number, 4) for number in (1, 2, 3, 4)]
    assert [len(shard) for shard in shards] == [3, 3, 2, 2]
    assert sorted(spec.output for shard in shards for spec in shard) == sorted(spec.output for spec in specs)
    for number in (0, 5):
        with pytest.raises(ValueError, match="expected 1 to 4"):
            take_shard(specs, number, 4)
