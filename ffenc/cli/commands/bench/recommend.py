"""``ffenc recommend``: recommend settings for this machine under its current load."""

from __future__ import annotations

import shlex
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonargparse import Namespace
from rich.text import Text

from ffenc.bench.recommend import confirm, recommend
from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of, call


def run(arguments: Namespace, screen: Screen) -> None:
    """Print the recommended settings."""
    binaries = binaries_of(arguments)
    advice = call(recommend, arguments, source=arguments.input, on_trial=lambda text: screen.note(f"trying {text}"))
    chosen = advice.chosen
    document: dict[str, Any] = {"advice": advice, "use": pasted(chosen.fields)}
    pairs = {
        "use": f"{' '.join(str(part) for part in chosen.fields.values() if not isinstance(part, dict))} ({chosen.why})",
        "real time": f"{chosen.realtime} times, {advice.cameras} at once, load average {advice.load:.2f}",
        "processors": f"{chosen.cpus} kept busy",
        "size": f"{chosen.gb_per_hour} GB an hour, all cameras, of footage like {advice.source}",
    }
    if chosen.frame_ms is not None:
        pairs["reading"] = f"{chosen.frame_ms} ms for a random frame, through ffenc's reader"
    for one in advice.tried[:-1]:
        pairs[f"not {one.fields['vcodec']} {one.fields.get('preset', '')}".strip()] = str(one.refused)
    if advice.unproven:
        again = shlex.join(["ffenc", "probe", "--prove", *advice.unproven])
        pairs["to prove"] = f"{', '.join(advice.unproven)}: never proven on this machine, which {again} does"
    if arguments.confirm is not None:
        screen.note(f"recording for {arguments.confirm} s")
        seen = confirm(advice, seconds=arguments.confirm, source=arguments.input, binaries=binaries)
        document["confirmed"] = seen
        pairs["recorded"] = (
            f"{seen.seconds} s: {seen.dropped} of {seen.steps} steps dropped, 99 % handed over within {seen.latest_ms} ms, "
            f"finished {seen.finish_s} s after the last, {seen.gb_per_hour} GB an hour"
        )
    texts = [Text(f"\n{text}") for text in pasted(chosen.fields).values()]
    screen.result(document, pairs_table(pairs.items()), *texts)


def pasted(fields: dict[str, Any]) -> dict[str, str]:
    """Return a config as Python, as flags and as YAML."""
    flags = []
    for name, value in fields.items():
        values = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        flags += [f"--camera_encoder.{key}={part}" for key, part in values.items()]
    python = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return {
        "python": f"VideoEncoderConfig({python})",
        "flags": shlex.join(flags),
        "yaml": yaml.safe_dump({"camera_encoder": fields}, sort_keys=False).rstrip(),
    }
