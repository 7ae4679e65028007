"""Describe a sweep: values for fields of the encoder config, threads and cameras, over sources."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ffenc.bench.machine import Build
from ffenc.bench.sources import Footage, SourceSpec
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import EncoderOptionError

Measure = Literal["timing", "quality", "reading", "latency"]

MEASURES: tuple[Measure, ...] = ("timing", "quality", "reading", "latency")
"""Measurements besides size: time and CPU of encoding, quality, random reads, first-packet latency."""

ROW_FORMAT = 1
"""Increased when the meaning of a row changes, so that older rows are measured again."""


class SweepSpec(BaseModel):
    """A sweep, from flags or a YAML file.

    Attributes:
        sources: footage to encode.
        base: fields of `VideoEncoderConfig` that all trials share.
        vary: values by field.  A value that is a mapping sets several fields together, such as an encoder and its preset.
        mode: ``grid`` tries every combination; ``one_at_a_time`` tries the first value of every field, and then each other
            value with the first values of the other fields.
        encoder_threads: numbers of threads to try; None leaves it to the encoder.
        cameras: numbers of cameras to try.
        measure: any of `MEASURES`.
        repeats: rounds of timed measurements.
        reads: timed requests per access pattern and round.
        windows: further access patterns: seconds from the drawn frame, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    base: dict[str, Any] = Field(default_factory=dict)
    vary: dict[str, list[Any]] = Field(default_factory=dict)
    mode: Literal["grid", "one_at_a_time"] = "grid"
    encoder_threads: tuple[int | None, ...] = (None,)
    cameras: tuple[int, ...] = (1,)
    measure: tuple[Measure, ...] = MEASURES
    repeats: int = Field(default=3, ge=1)
    reads: int = Field(default=10, ge=1)
    windows: dict[str, tuple[float, ...]] = Field(default_factory=dict)

    @field_validator("base", "vary")
    @classmethod
    def _known_fields(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = DepthEncoderConfig.model_fields
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"{', '.join(unknown)}: not a field of an encoder config; expected {', '.join(known)}")
        return given

    @model_validator(mode="after")
    def _not_empty(self) -> SweepSpec:
        if empty := [name for name, values in self.vary.items() if not values]:
            raise ValueError(f"{', '.join(empty)} has no value to try")
        if not self.encoder_threads or not self.cameras or min(self.cameras) < 1:
            raise ValueError("encoder_threads and cameras need at least one value, and cameras must be at least 1")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One combination of settings for one source.  It can be pickled.

    Attributes:
        fields: given fields of the config.
        encoder_threads: None leaves it to the encoder.
        cameras: number of simultaneous encoders.
        footage: footage to encode.
    """

    fields: Mapping[str, Any]
    encoder_threads: int | None
    cameras: int
    footage: Footage

    @property
    def config(self) -> VideoEncoderConfig:
        """The config of a camera or depth camera.

        Raises:
            EncoderOptionError: a value is invalid on every machine.
        """
        kind = DepthEncoderConfig if self.footage.is_depth else VideoEncoderConfig
        try:
            return kind.model_validate(dict(self.fields))
        except ValidationError as err:
            first = err.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "config"
            raise EncoderOptionError(
                f"{name}={first['input']!r}: {first['msg']}",
                option=name,
                value=first["input"],
                encoder=str(self.fields.get("vcodec", "")),
            ) from err

    @property
    def label(self) -> str:
        """One line for the progress bar."""
        settings = " ".join(f"{name}={value}" for name, value in self.fields.items() if name != "vcodec")
        more = f" cameras={self.cameras}" if self.cameras > 1 else ""
        more += f" threads={self.encoder_threads}" if self.encoder_threads else ""
        vcodec = self.fields.get("vcodec", VideoEncoderConfig().vcodec)
        return f"{self.footage.name}: {vcodec} {settings}{more}"

    def key(self, build: Build) -> str:
        """Return the key of the row of this trial with this FFmpeg."""
        document = {
            "format": ROW_FORMAT,
            "fields": self.fields,
            "threads": self.encoder_threads,
            "cameras": self.cameras,
            "source": self.footage.digest,
            "ffmpeg": build.digest,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def trials(spec: SweepSpec, footages: Sequence[Footage]) -> list[Trial]:
    """Return every trial of a sweep once, ordered so that neighbours differ in their source."""
    axes: dict[str, Sequence[Any]] = {
        **spec.vary,
        "encoder_threads": spec.encoder_threads,
        "cameras": spec.cameras,
    }
    found: dict[str, Trial] = {}
    for chosen in _combinations(axes, spec.mode):
        threads, cameras = chosen.pop("encoder_threads"), chosen.pop("cameras")
        fields = merged_fields(spec.base, chosen)
        for footage in footages:
            trial = Trial(fields=fields, encoder_threads=threads, cameras=cameras, footage=footage)
            found.setdefault(json.dumps([fields, threads, cameras, footage.digest], sort_keys=True), trial)
    return list(found.values())


def _combinations(axes: Mapping[str, Sequence[Any]], mode: str) -> Iterator[dict[str, Any]]:
    if mode == "grid":
        yield from (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        return
    first = {name: values[0] for name, values in axes.items()}
    yield dict(first)
    for name, values in axes.items():
        yield from ({**first, name: value} for value in values[1:])


def merged_fields(base: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a trial.

    A value that is a mapping sets several fields, except for ``extra_options``, which is a mapping itself.
    """
    fields = dict(base)
    for name, value in chosen.items():
        if isinstance(value, Mapping) and name != "extra_options":
            fields |= value
        else:
            fields[name] = value
    return fields
