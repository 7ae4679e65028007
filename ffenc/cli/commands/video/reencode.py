"""``ffenc reencode``: re-encode a clip, or a range of its frames."""

from __future__ import annotations

from functools import partial

from jsonargparse import Namespace

from ffenc.cli.commands.video.encode import run_encode
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.video.reencode import plan_reencode, reencode_video


def run(arguments: Namespace, screen: Screen) -> None:
    """Re-encode, and print the result."""
    plan = partial(call, plan_reencode, arguments, source=arguments.input)
    encode = partial(call, reencode_video, arguments, source=arguments.input)
    run_encode(arguments, screen, plan, encode)
