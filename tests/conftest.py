"""What every kind of test can ask for: the FFmpeg under test, what it lists, and what recorded builds list.

Continuous integration runs the integration tests once for each build, which ``FFENC_FFMPEG`` and ``FFENC_FFPROBE`` name,
and sets ``FFENC_REQUIRE_FFMPEG``, so that nothing is skipped there for want of an executable.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from ffenc.encoders.software import SOFTWARE
from ffenc.errors import BinaryNotFoundError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities

# How long an example takes depends on what else the machine does.  In continuous integration the examples are the same in
# every run, so that a change is judged by what it changed; by hand there are new ones each time.
settings.register_profile("any machine", deadline=None, derandomize="FFENC_REQUIRE_FFMPEG" in os.environ)
settings.load_profile("any machine")

# A run under nohup inherits that SIGHUP is ignored, and hands it on to every command that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files again instead of comparing")


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The executables under test."""
    try:
        return find_binaries()
    except BinaryNotFoundError as err:
        if os.environ.get("FFENC_REQUIRE_FFMPEG"):
            raise
        pytest.skip(str(err))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    """A small dataset of `tests.dataset_operations`; copy it before you change it."""
    pytest.importorskip("pyarrow")
    from tests.dataset_operations import make_dataset  # noqa: PLC0415  it needs the extra

    root = tmp_path_factory.mktemp("recorded") / "set"
    make_dataset(root, binaries)
    return root


@pytest.fixture(scope="session")
def capabilities_here(binaries: Binaries) -> Capabilities:
    """All that the FFmpeg under test lists about the encoders of the software rows."""
    return probe_capabilities(
        binaries.ffmpeg,
        encoders=[row.name for row in SOFTWARE],
        library_versions={row.name: row.library_version for row in SOFTWARE if row.library_version},
    )


@pytest.fixture(scope="session")
def encoders_here(capabilities_here: Capabilities) -> tuple[str, ...]:
    """The software rows whose encoders the FFmpeg under test lists."""
    return tuple(row.name for row in SOFTWARE if row.name in capabilities_here.encoders)
