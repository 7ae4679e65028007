"""``ffenc images``: encode image files into a video."""

from __future__ import annotations

from functools import partial

from jsonargparse import Namespace

from ffenc.cli.commands.video.encode import run_encode
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.video.encode import encode_images, plan_images


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and print the result."""
    encode = partial(call, encode_images, arguments, path=arguments.output)
    run_encode(arguments, screen, partial(call, plan_images, arguments), encode)
