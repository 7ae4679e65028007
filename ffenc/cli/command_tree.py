"""The table of commands, and the help of the program.

A command's flags are in the module ``flags`` of its package, and its work in another module. Each is imported when it is
needed, so that ``ffenc --version`` and ``ffenc --help`` import no command.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ffenc.version import __version__

if TYPE_CHECKING:
    import jsonargparse

    from ffenc.cli.output.screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A command before its modules are imported.

    Attributes:
        summary: one line for the list of commands.
        module: name of its module in ``ffenc.cli.commands``, for example ``"video.encode"``. Its function ``run`` does the
            work. The function of the same name (``encode``) in ``video.flags`` makes the parser.
        function: name of both functions, in a module that has several commands.
        is_foreign: its arguments are another program's; the module has a function ``run_words`` instead.
    """

    summary: str
    module: str
    function: str = ""
    is_foreign: bool = False

    def parser(self) -> jsonargparse.ArgumentParser:
        """Import the flags of the command and make its parser."""
        package, _, name = self.module.rpartition(".")
        make = getattr(import_module(f"ffenc.cli.commands.{package}.flags"), self.function or name)
        parser: jsonargparse.ArgumentParser = make()
        return parser

    def run(self, arguments: jsonargparse.Namespace, screen: Screen) -> int:
        """Import the command and run it; return its exit status."""
        return (
            getattr(import_module(f"ffenc.cli.commands.{self.module}"), self.function or "run")(arguments, screen) or 0
        )

    def run_words(self, words: Sequence[str], screen: Screen) -> int:
        """Run a command whose arguments are another program's."""
        status: int = import_module(f"ffenc.cli.commands.{self.module}").run_words(words, screen)
        return status


def _row(place: str, summary: str, *, is_foreign: bool = False) -> CommandRow:
    module, _, function = place.partition(":")
    return CommandRow(module=module, function=function, summary=summary, is_foreign=is_foreign)


COMMANDS: Mapping[str, CommandRow] = {
    "probe": _row("video.probe", "test which encoders work on this machine"),
    "cameras": _row("record.list_cameras:cameras", "list the connected cameras and their modes"),
    "record": _row("record.record", "record a dataset from live cameras"),
    "lerobot": _row("lerobot.lerobot", "run a command of LeRobot, with ffenc as its encoder", is_foreign=True),
    "convert": _row("dataset.convert", "make a dataset from clips or images"),
    "salvage": _row("record.salvage", "recover an interrupted recording or episode"),
    "encode": _row("video.encode:encode", "encode the frames of a clip, through numpy"),
    "images": _row("video.encode:images", "encode numbered image files into a video"),
    "reencode": _row("video.encode:reencode", "re-encode a clip, or a range of its frames"),
    "concat": _row("video.concat", "concatenate clips without re-encoding"),
    "info": _row("video.info", "show the contents of a media file or dataset"),
    "preview": _row("dataset.preview", "make a contact sheet of each episode"),
    "card": _row("dataset.card", "write the README.md of a dataset for the Hub"),
    "verify": _row("dataset.verify", "find faults in a dataset"),
    "repair": _row("dataset.repair", "repair the metadata of a dataset"),
    "merge": _row("dataset.merge", "merge datasets without re-encoding"),
    "delete-episodes": _row("dataset.edit:delete_episodes", "copy a dataset without some episodes"),
    "trim": _row("dataset.trim", "keep a range of frames of some episodes"),
    "split": _row("dataset.edit:split", "split a dataset into several datasets"),
    "reencode-dataset": _row("dataset.reencode_dataset", "re-encode the videos of a dataset"),
    "images-to-video": _row("dataset.images_to_video", "turn image features of a dataset into video"),
    "upgrade": _row("dataset.upgrade", "convert a dataset of format 2.1 to 3.0"),
    "modify-tasks": _row("dataset.rewrite:modify_tasks", "change the tasks of a dataset"),
    "add-features": _row("dataset.rewrite:add_features", "add columns of a table to a dataset"),
    "remove-features": _row("dataset.rewrite:remove_features", "remove features of a dataset"),
    "rename-features": _row("dataset.rewrite:rename_features", "rename features of a dataset"),
    "recompute-stats": _row("dataset.rewrite:recompute_stats", "compute the statistics of a dataset again"),
    "jobs plan": _row("jobs.plan", "print the jobs that re-encode a dataset, as JSON lines"),
    "jobs run": _row("jobs.run", "run a list of jobs, here or on a cluster"),
    "jobs status": _row("jobs.status", "show which jobs of a list are done"),
    "jobs commit": _row("jobs.commit", "assemble a dataset from finished jobs"),
    "recommend": _row("bench.recommend", "recommend settings for this machine"),
    "bench": _row("bench.bench", "compare encoder settings on your footage"),
    "demo": _row("demo.demo", "record and check a small synthetic dataset"),
    "completion": _row("shell.completion", "print a script for completion in your shell"),
}
"""Every command by its name, in the order of ``ffenc --help``."""

ALIASES: Mapping[str, str] = {"doctor": "probe", **{name.replace(" ", "-"): name for name in COMMANDS if " " in name}}
"""Further names: that of an earlier version, and commands of two words as one word."""

_DESCRIPTION = """\
Camera frames into verified video files, through FFmpeg.

Every file is read back before it gets its name: it contains every frame, and
frame k is at exactly k/fps seconds."""

_EPILOG = """\
examples:
  ffenc demo                                 record a small synthetic dataset
  ffenc probe --size=640x480                 test the encoders of this machine
  ffenc images frames/ out.mp4 --fps=30      encode PNG or JPEG files
  ffenc record --dataset.repo_id=me/cubes --dataset.single_task="Grab the cube" \\
      --cameras='{laptop: {type: ffmpeg, source: /dev/video0, fps: 30}}'
  ffenc verify dataset/ --level=decode       find faults in a LeRobot dataset
  ffenc merge monday/ tuesday/ --output=week/   merge datasets without re-encoding
  ffenc reencode in.mp4 out.mp4 --start=30 --end=90 --camera_encoder.vcodec=h264

ffenc COMMAND --help describes a command.
FFENC_FFMPEG and FFENC_FFPROBE name the executables to use."""


def help_parser() -> ArgumentParser:
    """Make a parser that knows the names of the commands, for the help of the program."""
    top = ArgumentParser(
        prog="ffenc",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=partial(RawDescriptionHelpFormatter, max_help_position=22),
    )
    top.add_argument("--version", action="version", version=f"ffenc {__version__}", help="show the version and exit")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", prog="ffenc")
    for name, row in COMMANDS.items():
        commands.add_parser(name, help=row.summary)
    return top
