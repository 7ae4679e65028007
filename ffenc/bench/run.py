"""Run a sweep: every trial in every round, storing each result before the next step."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ffenc.bench.images import save_crop
from ffenc.bench.machine import Build, describe_machine, ffmpeg_build
from ffenc.bench.measure import Timed, encode_trial, first_packet_s
from ffenc.bench.quality import measure_depth_error, measure_quality
from ffenc.bench.reading import measure_reading
from ffenc.bench.rows import ResultsFile, Row
from ffenc.bench.sources import Footage, materialise, png_cost
from ffenc.bench.sweep import SweepSpec, Trial, trials
from ffenc.bench.timing import round_order, wait_for_quiet
from ffenc.config import DepthEncoderConfig
from ffenc.errors import CapabilityError, FFencError, InputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.threads import ThreadPool
from ffenc.video.reader import VideoReader
from ffenc.video.run import EncodeResult

logger = logging.getLogger(__name__)

StepCallback = Callable[[int, int, str], None]
"""Called with (steps done, number of steps, label of the current step)."""

CROP = (192, 144)
"""(width, height) of the crops that the report shows side by side."""

_PACKAGES = ("numpy", "av", "torchcodec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One trial in one round.  It can be pickled, so that another process or machine can do it.

    Attributes:
        trial: footage and settings.
        key: key of its row.
        round_number: from 0; quality and size are measured in the first round only.
        row: results of earlier rounds.
        similarity: quality that was measured earlier, by SHA-256 of file and source.
        spec: the sweep.
        binaries: the executables.
        scratch: directory for temporary files.
        crops: directory for crops.
    """

    trial: Trial
    key: str
    round_number: int
    row: Row
    similarity: Mapping[str, Row]
    spec: SweepSpec
    binaries: Binaries
    scratch: Path
    crops: Path


def run_sweep(
    spec: SweepSpec,
    results: Path,
    *,
    binaries: Binaries | None = None,
    scratch: Path | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    retry_failed: bool = False,
    patience_s: float = 0,
    on_step: StepCallback | None = None,
) -> list[Row]:
    """Measure every trial that the results file does not have yet.

    Args:
        spec: the sweep.
        results: file of JSON lines; created or continued.
        binaries: the executables; found if None.
        scratch: directory for frames and videos; the system's temporary directory if None.
        jobs: trials at the same time; more than 1 only if nothing is timed.
        executor: runs the trials instead of threads, only if nothing is timed; it must see the same files.
        retry_failed: repeat failed trials.
        patience_s: longest wait for an idle machine before a timed step.
        on_step: called before every step, and once at the end.

    Returns:
        The rows of this sweep, in its order.

    Raises:
        InputError: a source cannot be read, or several jobs are requested although something is timed.
    """
    if (jobs > 1 or executor is not None) and set(spec.measure) - {"quality"}:
        raise InputError("parallel jobs would disturb timed measurements; measure quality only", path=results)
    binaries = binaries or find_binaries()
    build = ffmpeg_build(binaries)
    store = ResultsFile(results)
    crops = results.with_suffix(".crops")
    crops.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ffenc-bench-", dir=scratch) as directory:
        footages = [materialise(source, Path(directory), binaries=binaries) for source in spec.sources]
        heads = {footage.digest: _head(footage, build, crops) for footage in footages}
        planned = trials(spec, footages)
        keys = [trial.key(build) for trial in planned]
        for trial, key in zip(planned, keys, strict=True):
            blank = {"key": key, "status": "planned", "rounds": 0, **heads[trial.footage.digest], **_settings(trial)}
            if key not in store.rows:
                store.put(blank)  # so that the file of a stopped sweep shows what is missing
            elif not _still_counts(store.rows[key], spec, retry_failed=retry_failed):
                store.rows[key] = blank  # the older result stays in the file until there is a new one
        _warm_up(planned, store, keys, binaries, Path(directory))

        def step(trial: Trial, key: str, number: int) -> Step:
            similarity = {
                row["sha256"] + row["source"]["digest"]: row for row in store.rows.values() if "sha256" in row
            }
            return Step(
                trial=trial,
                key=key,
                round_number=number,
                row=store.rows[key],
                similarity=similarity if number == 0 else {},
                spec=spec,
                binaries=binaries,
                scratch=Path(directory),
                crops=crops,
            )

        rounds = spec.repeats if set(spec.measure) - {"quality"} else 1
        order = [
            (trial, key, number)
            for number in range(rounds)
            for trial, key in round_order(list(zip(planned, keys, strict=True)), number)
        ]
        _run_steps(order, store, step, jobs=jobs, executor=executor, patience_s=patience_s, on_step=on_step)
    if results.exists():
        store.compact()
    return [store.rows[key] for key in dict.fromkeys(keys)]


def _run_steps(
    order: Sequence[tuple[Trial, str, int]],
    store: ResultsFile,
    step: Callable[[Trial, str, int], Step],
    *,
    jobs: int,
    executor: Executor | None,
    patience_s: float,
    on_step: StepCallback | None,
) -> None:
    def todo() -> Iterator[tuple[int, Step]]:
        for done, (trial, key, number) in enumerate(order):
            known = store.rows[key]
            if known["status"] in ("planned", "done", "partial") and known["rounds"] <= number:
                yield done, step(trial, key, number)

    report = on_step or (lambda *_: None)
    if jobs == 1 and executor is None:
        for done, one in todo():
            report(done, len(order), one.trial.label)
            if patience_s > 0:
                wait_for_quiet(patience_s)
            store.put(measure_step(one))
    else:
        with ThreadPool(jobs) if executor is None else nullcontext(executor) as pool:
            running = {pool.submit(measure_step, one): one for _, one in todo()}
            for done, future in enumerate(as_completed(running)):
                store.put(future.result())
                report(done + 1, len(running), running[future].trial.label)
    report(len(order), len(order), "done")


def _still_counts(row: Row, spec: SweepSpec, *, retry_failed: bool) -> bool:
    """Return whether a row of an earlier sweep has everything that this sweep measures."""
    if row["status"] == "planned":
        return False
    if row["status"] in ("refused", "failed"):
        return not retry_failed
    found = {"timing": "timing", "latency": "first_packet_s", "quality": "quality", "reading": "reading"}
    if row["source"]["layout"] == "gray16":
        found = {"timing": "timing", "latency": "first_packet_s", "quality": "depth_error"}
    return all(name in row for measure, name in found.items() if measure in spec.measure)


def _warm_up(
    planned: Sequence[Trial], store: ResultsFile, keys: Iterable[str], binaries: Binaries, directory: Path
) -> None:
    """Run every encoder once, so that loading executables and listings is not measured."""
    seen = set()
    for trial, key in zip(planned, keys, strict=True):
        vcodec = trial.fields.get("vcodec")
        if vcodec in seen or store.rows[key]["status"] not in ("planned", "partial"):
            continue
        seen.add(vcodec)
        few = replace(trial, footage=replace(trial.footage, count=min(6, trial.footage.count)))
        try:
            encode_trial(few, directory, binaries=binaries)
        except FFencError as err:
            logger.debug("the warm-up failed; the row of the trial will show the reason: %s", err)


def measure_step(step: Step) -> Row:
    """Do one step; an error becomes part of the row."""
    row = dict(step.row)
    try:
        with tempfile.TemporaryDirectory(prefix="step-", dir=step.scratch) as directory:
            timed = encode_trial(step.trial, Path(directory), binaries=step.binaries)
            result = timed.cameras[0].result
            if step.round_number == 0:
                row |= _first_time(step, result)
            if "timing" in step.spec.measure:
                row["timing"] = [*row.get("timing", []), _sample(step.trial, timed)]
            if "latency" in step.spec.measure and step.round_number == 0:
                # Mostly a number of frames, independent of the load; measuring it in every round would take too long.
                row["first_packet_s"] = round(first_packet_s(step.trial, binaries=step.binaries), 4)
            if "reading" in step.spec.measure and not step.trial.footage.is_depth:
                row["reading"] = _with_reading(row.get("reading") or {}, step, result.path)
    except FFencError as err:
        status = "refused" if isinstance(err, CapabilityError) else "failed"
        return row | {"status": status, "reason": str(err), "rounds": step.round_number + 1}
    finished = step.round_number + 1 >= step.spec.repeats or not set(step.spec.measure) - {"quality"}
    return row | {"status": "done" if finished else "partial", "rounds": step.round_number + 1}


def _head(footage: Footage, build: Build, crops: Path) -> Row:
    """Return the fields that all rows of a source share."""
    png = png_cost(footage)
    if not footage.is_depth:
        save_crop(footage.frames[footage.count // 2], CROP, crops / f"{footage.digest}.png")
    return {
        "source": footage.describe(),
        "png_bytes": png.size_bytes,
        "png_load_ms": round(png.load_ms, 3),
        "ffmpeg": {"version": build.version, "digest": build.digest},
        "machine": describe_machine(_PACKAGES),
    }


def _settings(trial: Trial) -> Row:
    return {"fields": dict(trial.fields), "encoder_threads": trial.encoder_threads, "cameras": trial.cameras}


def _first_time(step: Step, result: EncodeResult) -> Row:
    """Measure size and quality, once per file."""
    footage, config = step.trial.footage, step.trial.config
    digest = hashlib.sha256(result.path.read_bytes()).hexdigest()
    pixels = footage.count * footage.format.width * footage.format.height
    png_bytes = step.row["png_bytes"]
    row: Row = {
        "encoder": result.encoder.name,
        "config": result.encoder.config.model_dump(mode="json"),
        "options": [list(pair) for pair in result.encoder.options],
        "sha256": digest,
        "size_bytes": result.size_bytes,
        "bits_per_pixel": round(result.size_bytes * 8 / pixels, 6),
        "ratio_raw": round(footage.raw_bytes / result.size_bytes, 3),
        "ratio_png": round(png_bytes / result.size_bytes, 3),
    }
    if "quality" not in step.spec.measure:
        return row
    if isinstance(config, DepthEncoderConfig):
        return row | {"depth_error": asdict(measure_depth_error(result, footage, config, binaries=step.binaries))}
    known = step.similarity.get(digest + footage.digest, {})
    row["quality"] = known.get("quality") or asdict(measure_quality(result, footage, binaries=step.binaries))
    middle = VideoReader(result.path, method="process", binaries=step.binaries).frames([footage.count // 2])[0]
    save_crop(middle, CROP, step.crops / f"{step.key}.png")
    return row


def _sample(trial: Trial, timed: Timed[EncodeResult]) -> Row:
    """Return the figures of a timed run: times of the slowest camera, CPU seconds of all cameras."""
    usages = [fed.result.usage for fed in timed.cameras]
    frames = sum(fed.frames for fed in timed.cameras)
    user_s, system_s = sum(u.cpu_user_s for u in usages), sum(u.cpu_system_s for u in usages)
    memory = [usage.max_rss_bytes for usage in usages if usage.max_rss_bytes is not None]
    others = timed.cost.others_cpu_s
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "fps": round(timed.fps, 3),
        "realtime": round(timed.fps / float(trial.footage.fps), 4),
        "wall_s": round(timed.cost.wall_s, 4),
        "feed_s": round(max(fed.feeding_s for fed in timed.cameras), 4),
        "finish_s": round(max(fed.finishing_s for fed in timed.cameras), 4),
        "cpu_user_s": round(user_s, 4),
        "cpu_system_s": round(system_s, 4),
        "cpu_ms_per_frame": round(1000 * (user_s + system_s) / frames, 4),
        "own_cpu_s": round(timed.cost.own_cpu_s, 4),
        "max_rss_bytes": max(memory, default=None),
        "energy_j": timed.cost.energy_j,
        # Processors that other programs used during the run.
        "others_cpu": None if others is None else round(others / timed.cost.wall_s, 3),
        "load": timed.cost.load,
    }


def _with_reading(known: Row, step: Step, path: Path) -> Row:
    """Append the times of this round to those of earlier rounds."""
    measured = measure_reading(
        path,
        binaries=step.binaries,
        requests=step.spec.reads,
        round_number=step.round_number,
        windows=step.spec.windows,
    )
    merged: dict[str, dict[str, Any]] = {}
    for reader, patterns in measured.items():
        merged[reader] = {}
        for pattern, reads in patterns.items():
            now, before = reads.to_json(), known.get(reader, {}).get(pattern)
            if before is not None:
                old, new = len(before["times_ms"]), len(now["times_ms"])
                total = before["decoded_per_wanted"] * old + now["decoded_per_wanted"] * new
                now["decoded_per_wanted"] = round(total / (old + new), 3)
                now["times_ms"] = [*before["times_ms"], *now["times_ms"]]
                now["wrong"] += before["wrong"]
            merged[reader][pattern] = now
    return merged
