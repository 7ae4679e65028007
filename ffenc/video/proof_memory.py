"""Remember the proofs of encoders on this machine, so that ``auto`` passes over an encoder whose proof failed.

A proof counts for one FFmpeg build, one device and one driver; another driver may not have the fault.  The file is in
the folder of `ffenc.ffmpeg.machine_cache`.
"""

from __future__ import annotations

import platform
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffenc.encoders.spec import EncoderSpec
from ffenc.ffmpeg.machine_cache import load_document, save_document
from ffenc.json_text import as_json, dump_json

_FORMAT = 1
_SYS = Path("/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A check of a proof that failed.

    Attributes:
        check: name of the check.
        reason: what went wrong, without a full stop.
        field: the failure counts only for jobs that use this setting; empty: for every job.
    """

    check: str
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a proof counts for.

    Attributes:
        encoder: FFmpeg's name.
        device: the GPU it ran on: a device file or number; empty for the default one and for software.
        driver: versions of its driver, see `driver_versions`.
        build: hash that identifies the FFmpeg build.
    """

    encoder: str
    device: str
    driver: tuple[str, ...]
    build: str

    @property
    def identity(self) -> list[Any]:
        """Everything in a form that JSON keeps."""
        return [_FORMAT, self.encoder, self.device, list(self.driver), self.build]

    @property
    def file_name(self) -> str:
        """Name of the remembered document."""
        return f"proof-{self.encoder}-{zlib.crc32(dump_json(self.identity)):08x}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedProof:
    """The last proof of an encoder in one setup.

    Attributes:
        made_at: date and time in UTC, ISO 8601.
        failures: the checks that failed; empty if it passed.
    """

    made_at: str
    failures: tuple[Failure, ...]

    def objection(self, settings: Collection[str]) -> Failure | None:
        """Return the first failure that matters to a job with these settings, or None."""
        return next((failure for failure in self.failures if not failure.field or failure.field in settings), None)


def remember_proof(setup: Setup, proof: RememberedProof) -> None:
    """Remember a proof instead of an earlier one of the same setup."""
    save_document(setup.file_name, setup.identity, {"proof": as_json(proof)})


def remembered_proof(setup: Setup) -> RememberedProof | None:
    """Return the last proof of a setup; None if there is none."""
    document: Any = load_document(setup.file_name, setup.identity).get("proof")
    try:
        return RememberedProof(
            made_at=str(document["made_at"]),
            failures=tuple(Failure(**failure) for failure in document["failures"]),
        )
    except (TypeError, KeyError):  # absent, or from another version
        return None


def driver_versions(row: EncoderSpec, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return what the system reports about the driver of an encoder's hardware, without a process; empty for software.

    Args:
        row: the encoder.
        nodes: its device files.
    """
    if row.device is None:
        return ()
    found = [f"{platform.system()} {platform.release()}"]
    for node in map(Path, nodes):
        entries = [_SYS / "class" / kind / node.name for kind in ("drm", "video4linux")]
        # Cameras on USB are video devices that come and go.
        devices = [entry / "device" for entry in entries if entry.exists() and "/usb" not in str(entry.resolve())]
        for device in devices:
            identity = [_line(device / name) for name in ("vendor", "device")]
            found.append(" ".join([node.name, (device / "driver").resolve().name, *filter(None, identity)]))
        modules = [(device / "driver").resolve().name for device in devices] or [node.name.rstrip("0123456789")]
        versions = ((module, _line(_SYS / "module" / module / "version")) for module in modules)
        found += [f"{module} {version}" for module, version in versions if version]
    return tuple(dict.fromkeys(found))


def _line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
