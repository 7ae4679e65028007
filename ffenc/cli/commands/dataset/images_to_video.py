"""``ffenc images-to-video``: turn image features of a dataset into video."""

from __future__ import annotations

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.output.results import dataset_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.images_to_video import convert_images_to_video


def run(arguments: Namespace, screen: Screen) -> None:
    """Convert, and print the result."""
    with screen.progress("encoding") as progress:
        result = call(convert_images_to_video, arguments, progress=progress)
    cameras = ("cameras", ", ".join(result.cameras))
    screen.result(result, dataset_table(result, decimal(result.size_bytes), cameras))
