"""``ffenc probe --prove`` prints a verdict for each encoder, writes a document, and refuses bad input before the work."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ffenc import Binaries, prove_encoders
from ffenc.cli.main import main
from ffenc.errors import EncoderUnavailableError, FrameSizeError
from ffenc.proof import prove
from ffenc.proof.checks import CHECKS
from ffenc.video.selection import forget_choices
from tests.recordings import RECORDED

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

DOUBLE = Path(__file__).parents[1] / "fakes" / "hardware_ffmpeg"


Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a function that runs ``ffenc probe`` in this process, in an own directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")

    def probe(*words: str) -> SimpleNamespace:
        status = main(["probe", *words])
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=captured.out, stderr=captured.err)

    yield probe
    forget_choices()


@pytest.fixture
def faulty(binaries: Binaries, tmp_path: Path) -> Path:
    """An ffmpeg whose mpeg4 encoder ignores forced keyframes."""
    (tmp_path / "state").mkdir()
    description = {
        "real": str(binaries.ffmpeg),
        "recorded": str(RECORDED / "9.0.2"),
        "state": str(tmp_path / "state"),
        "encoders": {"mpeg4": {"fault": "unforced"}},
    }
    (tmp_path / "description.json").write_text(json.dumps(description), encoding="utf-8")
    script = tmp_path / "ffmpeg"
    command = shlex.join([sys.executable, "-S", str(DOUBLE), str(tmp_path / "description.json")])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def test_proof_of_an_encoder_is_a_table_and_a_document(tmp_path: Path, run: Run) -> None:
    words = ("--prove", "mpeg4", "--size=160x128", "--cameras=3", "--soak=0.4s", "--output=proof.json")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    text = " ".join(done.stdout.split())
    assert text.startswith(
        "proofs at 160x128, 30 per second, 3 at the same time, 0.4 s in real time encoder kind verdict"
    )
    assert f"mpeg4 software proven {len(CHECKS)} of {len(CHECKS)}" in text
    assert text.endswith("wrote proof.json")
    document = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    (one,) = document["encoders"]
    assert document["format"] == 1
    assert document["ffmpeg"].startswith("ffmpeg version ")
    assert "configuration:" in document["ffmpeg"]
    assert document["job"] == {"size": [160, 128], "fps": "30", "cameras": 3, "soak_s": 0.4, "device": None}
    assert document["machine"].keys() >= {"processor", "system", "python", "ffenc"}
    assert [check["name"] for check in one["checks"]] == [check.name for check in CHECKS]
    assert "Encoder mpeg4 [" in one["listing"]
    assert "Input #0, rawvideo" in one["log"]  # the first lines, where drivers name themselves
    assert "Stream mapping" in one["log"]
    assert one["command"][0].startswith("ffmpeg")
    assert one["verdict"] == "proven"
    assert not [
        word for word in (str(Path.home()), str(tmp_path), "/tmp/", os.uname().nodename) if word in json.dumps(one)
    ]
    again = run("mpeg4", "--json")
    (row,) = json.loads(again.stdout)["encoders"]
    assert (row["proof"]["failures"], row["passed_over_by_auto"]) == ([], None)


def test_failed_proof_names_the_check_and_its_reason(
    tmp_path: Path, faulty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "checks_for", lambda _: [c for c in CHECKS if c.name in ("threads", "forced keyframes")])
    done = run("--prove", "mpeg4", "--size=160x128", "--cameras=1", f"--ffmpeg={faulty}")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "mpeg4 software failed 1 of 2" in text
    assert "forced keyframes: mpeg4 wrote no keyframe at 2 of the frames where one was forced (first: 5)" in text
    assert "vcodec=auto passes over mpeg4 on this machine" in text
    assert "ffenc probe --prove mpeg4" in text
    assert not list(tmp_path.glob("*.json.*"))
    probed = " ".join(run("mpeg4", f"--ffmpeg={faulty}").stdout.split())
    assert "its trial succeeded; auto passes over it: its proof of" in probed


def test_encoder_that_does_not_work_is_named(run: Run) -> None:
    done = run("--prove", "h264_vaapi", "--json")
    (one,) = json.loads(done.stdout)["encoders"]
    if one["verdict"] != "does not work":
        pytest.skip("this machine has the hardware")
    assert done.returncode == 1
    assert "it needs /dev/dri/renderD*" in one["trial"] or "not compiled" in one["trial"]


WRONG = {
    "unknown encoder": (["--prove", "h264_nvnec"], 2, "did you mean h264_nvenc"),
    "odd size": (["--prove", "mpeg4", "--size=641x480"], 1, "641x480 does not fit yuv420p"),
    "no size": (["--prove", "mpeg4", "--size=big"], 2, "write width and height in pixels"),
    "soak without a unit": (["--prove", "mpeg4", "--soak=long"], 2, "write for example 90s, 30m or 1h"),
    "soak of nothing": (["--prove", "mpeg4", "--soak=0"], 2, "write for example 90s, 30m or 1h"),
    "soak without a proof": (["mpeg4", "--soak=1m"], 2, "--soak is for a proof; add --prove"),
    "output without a proof": (["mpeg4", "--output=x.json"], 2, "--output is for a proof; add --prove"),
    "output exists": (
        ["--prove", "mpeg4", "--output=there.json"],
        1,
        "there.json exists already; pass overwrite=True (--overwrite)",
    ),
    "output in no folder": (
        ["--prove", "mpeg4", "--output=none/x.json"],
        1,
        "the directory of none/x.json does not exist",
    ),
    "output is a folder": (["--prove", "mpeg4", "--output=."], 1, "is a directory"),
    "pixel format": (["--prove", "mpeg4", "--pix_fmt=yuv420p"], 2, "--pix_fmt has no effect with --prove"),
    "device of software": (["--prove", "mpeg4", "--device=1"], 1, "mpeg4 uses no device; leave device unset"),
    "device of software, tried": (["mpeg4", "--device=1"], 1, "mpeg4 uses no device; leave device unset"),
    "device that is none": (
        ["--prove", "--device=gpu"],
        1,
        "no encoder of this platform and FFmpeg takes device='gpu'",
    ),
    "device with a space": (["--prove", "mpeg4", "--device=a b"], 2, "--device"),
    "named twice": (["--prove", "mpeg4", "--encoders=libx264"], 2, "named twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_before_the_work(case: str, tmp_path: Path, run: Run) -> None:
    words, status, says = WRONG[case]
    (tmp_path / "there.json").write_text("mine", encoding="utf-8")
    done = run(*words)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"there.json", "cache"}
    assert (tmp_path / "there.json").read_text(encoding="utf-8") == "mine"


def test_bad_arguments_of_the_function(binaries: Binaries) -> None:
    with pytest.raises(EncoderUnavailableError, match="encoder 'libx246'; did you mean libx26"):
        prove_encoders(["libx246"], binaries=binaries)
    with pytest.raises(FrameSizeError, match="641x480"):
        prove_encoders(["mpeg4"], size=(641, 480), binaries=binaries)
    for wrong in ({"cameras": 0}, {"soak_s": -1}, {"size": (0, 480)}, {"fps": 0}):
        with pytest.raises(ValueError, match=r"must|frame rate"):
            prove_encoders(["mpeg4"], binaries=binaries, **wrong)  # type: ignore[arg-type]
