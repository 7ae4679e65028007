from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from ffenc.bench.machine import Build
from ffenc.bench.sources import Footage, SourceSpec
from ffenc.bench.sweep import SweepSpec, Trial, trials
from ffenc.config import DepthEncoderConfig
from ffenc.errors import EncoderOptionError, InputError
from ffenc.frames import FrameFormat

BUILD = Build(version="9", digest="d")


def footage(name: str = "a", layout: str = "rgb") -> Footage:
    form = FrameFormat(width=64, height=64, layout=layout)
    return Footage(name=name, path=Path(name), format=form, count=3, fps=Fraction(30), digest=name)


def sweep(**fields) -> SweepSpec:
    return SweepSpec.model_validate({"sources": [{"synthetic": "test_pattern"}], **fields})


def test_a_grid_has_every_combination_of_every_source():
    spec = sweep(vary={"crf": [20, 30], "g": [2, 10, None]}, cameras=[1, 3], encoder_threads=[None, 2])
    found = trials(spec, [footage("a"), footage("b")])
    assert len(found) == 2 * 3 * 2 * 2 * 2
    assert len({trial.key(BUILD) for trial in found}) == len(found)


def test_one_at_a_time_moves_one_setting_from_the_first_of_each():
    found = trials(sweep(vary={"crf": [20, 30, 40], "g": [2, 10]}, mode="one_at_a_time"), [footage()])
    assert [dict(trial.fields) for trial in found] == [
        {"crf": 20, "g": 2}, {"crf": 30, "g": 2}, {"crf": 40, "g": 2}, {"crf": 20, "g": 10},
    ]  # fmt: skip


def test_a_mapping_sets_several_fields_but_extra_options_are_one():
    extra = {"tune": "zerolatency"}
    spec = sweep(
        base={"g": 2}, vary={"vcodec": ["av1", {"vcodec": "h264", "preset": "fast"}], "extra_options": [extra]}
    )
    assert [trial.fields for trial in trials(spec, [footage()])] == [
        {"g": 2, "vcodec": "av1", "extra_options": extra},
        {"g": 2, "vcodec": "h264", "preset": "fast", "extra_options": extra},
    ]


def test_the_same_trial_under_two_names_is_made_once():
    assert len(trials(sweep(base={"crf": 30}, vary={"g": [2, 2]}), [footage()])) == 1


@pytest.mark.parametrize(
    "other",
    [{"fields": {"crf": 31}}, {"cameras": 2}, {"encoder_threads": 1}, {"footage": footage("other")}],
    ids=lambda change: next(iter(change)),
)
def test_a_key_tells_whatever_changes_the_result(other):
    first = {"fields": {"crf": 30}, "cameras": 1, "encoder_threads": None, "footage": footage()}
    assert Trial(**first).key(BUILD) != Trial(**{**first, **other}).key(BUILD)
    assert Trial(**first).key(BUILD) != Trial(**first).key(Build(version="9", digest="e"))
    assert Trial(**first).key(BUILD) == Trial(**first).key(BUILD)


def test_a_value_that_no_machine_takes_is_a_refusal_of_its_trial_alone():
    trial = Trial(fields={"crf": -1}, encoder_threads=None, cameras=1, footage=footage())
    with pytest.raises(EncoderOptionError, match="crf=-1") as caught:
        _ = trial.config
    assert caught.value.option == "crf"


def test_millimetres_are_encoded_as_depth():
    trial = Trial(fields={}, encoder_threads=None, cameras=1, footage=footage(layout="gray16"))
    assert isinstance(trial.config, DepthEncoderConfig)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"vary": {"bitrate": [1]}}, "bitrate: not a field"),
        ({"vary": {"crf": []}}, "no value to try"),
        ({"cameras": [0]}, "cameras must be at least 1"),
        ({"sources": []}, "at least 1 item"),
        ({"measure": ["speed"]}, "timing"),
    ],
)
def test_a_sweep_that_means_nothing_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        sweep(**fields)


def test_a_source_is_recognised_by_what_is_there(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "set" / "meta").mkdir(parents=True)
    (tmp_path / "set" / "meta" / "info.json").write_text("{}")
    (tmp_path / "clip.mp4").touch()
    for name, kind in (("images", "images"), ("set", "dataset"), ("clip.mp4", "clip")):
        assert getattr(SourceSpec.of(str(tmp_path / name)), kind) == tmp_path / name
    assert SourceSpec.of("sensor_noise", frames=3).frames == 3
    assert SourceSpec.of({"synthetic": "test_pattern", "frames": 4}, frames=3).frames == 4
    assert SourceSpec.of("test_pattern", size="64x48").size == (64, 48)
    with pytest.raises(InputError, match="nothing does not exist"):
        SourceSpec.of("nothing")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "given: none"),
        ({"clip": "a", "images": "b"}, "given: clip, images"),
        ({"clip": "a", "camera": "c"}, "for a dataset"),
        ({"clip": "a", "frames": 0}, "at least 1"),
        ({"clip": "a", "size": (0, 1)}, "size must be at least 1x1"),
        ({"clip": "a", "fps": "29.97"}, "frame rate"),
    ],
)
def test_a_source_that_means_nothing_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        SourceSpec.model_validate(fields)
