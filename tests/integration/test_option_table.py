"""A sample of the saved tables is measured again on the build under test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffenc.encoders.option_effects import MeasuredBuild, measured_builds
from ffenc.encoders.software import SOFTWARE
from ffenc.ffmpeg.capabilities import Capabilities
from tools.option_table.clips import CLIPS
from tools.option_table.measure import Measurement

pytestmark = [pytest.mark.net, pytest.mark.integration]

OPTIONS_OF_EACH_ENCODER = 4
VALUES_OF_EACH_OPTION = 2


@pytest.fixture(scope="module")
def measured(capabilities_here: Capabilities) -> MeasuredBuild:
    for build in measured_builds():
        if build.libavcodec == capabilities_here.version.libavcodec:
            return build
    pytest.skip(f"FFmpeg {capabilities_here.version.text} was not measured")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, clip in CLIPS.items():
        clip.save(folder / name)
    return folder


def sample(build: MeasuredBuild, encoder: str) -> Iterator[tuple[str, str, str, str]]:
    """Return (option, value, context, outcome) of some options, spread over the alphabet."""
    table = build.encoders[encoder].options
    names = sorted(table)
    for option in names[1 :: max(1, len(names) // OPTIONS_OF_EACH_ENCODER)][:OPTIONS_OF_EACH_ENCODER]:
        for value, outcome in list(table[option].items())[:VALUES_OF_EACH_OPTION]:
            context = re.fullmatch(r"acts \((.+)\)", outcome)
            if outcome != "unclear":
                yield option, value, context[1] if context else "base", outcome


@pytest.mark.parametrize("name", [row.name for row in SOFTWARE])
def test_sample_of_table_is_reproducible(
    capabilities_here: Capabilities, measured: MeasuredBuild, clips: Path, name: str
) -> None:
    (row,) = (row for row in SOFTWARE if row.name == name)
    if name not in capabilities_here.helps:
        pytest.skip(f"this build has no {name}")
    if name not in measured.encoders:
        pytest.skip(f"{name} of this build was not measured")
    measurement = Measurement(row, capabilities_here, clips)
    sampled = list(sample(measured, name))
    assert sampled
    seen = [
        (option, value, context, measurement.compare(option, value, context)) for option, value, context, _ in sampled
    ]
    assert seen == sampled
