"""The completion scripts, loaded into real shells."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ffenc.cli.commands.shell.flags import SHELLS
from ffenc.cli.main import main

pytest.importorskip("shtab")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The script of every shell, in files."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        with (folder / shell).open("w") as file, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", file)
            assert main(["completion", shell]) == 0
    return {shell: folder / shell for shell in SHELLS}


def run_shell(shell: str, code: str, folder: Path) -> list[str]:
    """Return the lines that a shell prints, without the user's startup files."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    quiet = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    done = subprocess.run(
        [program, *quiet, "-c", code], capture_output=True, text=True, check=True, cwd=folder, env=environment
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


CASES = [
    (["enc"], ["encode"]),
    (["jobs", ""], ["plan", "run", "status", "commit"]),
    (["encode", "--camera_encoder.v"], ["--camera_encoder.vcodec", "--camera_encoder.video_backend"]),
    (["jobs", "run", "--ret"], ["--retries"]),
    (["reencode", "--audio", ""], ["keep", "drop"]),
    (["completion", "b"], ["bash"]),
    (["info", "clip"], ["clip.mp4"]),
]


@pytest.mark.parametrize(("words", "expected"), CASES, ids=" ".join)
def test_bash_completes(words: list[str], expected: list[str], scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    line = ["ffenc", *words]
    code = (
        f"source {shlex.quote(str(scripts['bash']))}\n"
        f"COMP_WORDS=({' '.join(map(shlex.quote, line))}); COMP_CWORD={len(words)}\n"
        '$(complete -p ffenc | sed \'s/.*-F \\([^ ]*\\).*/\\1/\') ffenc "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert sorted(run_shell("bash", code, tmp_path)) == sorted(expected)


@pytest.mark.parametrize(("words", "expected"), CASES, ids=" ".join)
def test_fish_completes(words: list[str], expected: list[str], scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    code = f"source {shlex.quote(str(scripts['fish']))}; complete -C {shlex.quote(' '.join(['ffenc', *words]))}"
    found = {line.partition("\t")[0] for line in run_shell("fish", code, tmp_path)}
    assert {word for word in found if not word.startswith("-") or words[-1].startswith("-")} == set(expected)


def test_zsh_reads_the_script(scripts: dict[str, Path], tmp_path: Path) -> None:
    assert run_shell("zsh", f"zsh -n {shlex.quote(str(scripts['zsh']))} && echo read", tmp_path) == ["read"]


def test_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == 2
    assert "invalid choice: 'csh'" in capsys.readouterr().err
