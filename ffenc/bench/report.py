"""Make the report of a sweep: a self-contained HTML page that needs no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ffenc.bench import charts
from ffenc.bench.analysis import Gap, Summary, gaps, pareto_front
from ffenc.bench.caveats import caveats
from ffenc.bench.rows import Row, summary
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER
from ffenc.errors import DependencyError, InputError

try:
    import jinja2
    import vl_convert
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("the report needs jinja2 and vl-convert-python: pip install 'ffenc-video[bench]'") from err

REFERENCE: Mapping[str, Any] = {"encoder": DEFAULT_ENCODER, "preset": 12, "g": 2, "crf": 30}
"""LeRobot's defaults, the reference of all comparisons."""

METRICS: Mapping[str, str] = {"ssim": "SSIM, higher is better", "vmaf": "VMAF, higher is better"}
"""Quality metrics of the charts, and the titles of their axes."""

_COLUMNS: Sequence[tuple[str, str]] = (
    ("source", "source"),
    ("encoder", "encoder"),
    ("preset", "preset"),
    ("g", "g"),
    ("crf", "crf"),
    ("cameras", "cameras"),
    ("encoder_threads", "threads"),
    ("kbit_per_s", "kbit/s"),
    ("bits_per_pixel", "bits/pixel"),
    ("ratio_png", "x smaller than PNG"),
    ("ssim", "SSIM"),
    ("vmaf", "VMAF"),
    ("psnr_db", "PSNR dB"),
    ("psnr_worst_db", "worst frame dB"),
    ("xpsnr_db", "XPSNR dB"),
    ("max_mm", "depth error max mm"),
    ("realtime", "x real time"),
    ("cpu_ms_per_frame", "CPU ms/frame"),
    ("max_rss_bytes", "memory MiB"),
    ("first_packet_s", "first packet s"),
    ("finish_s", "finish s"),
    ("ffmpeg_1_frame_p50_ms", "ffmpeg 1 frame ms"),
    ("ffmpeg_6_frames_p50_ms", "ffmpeg 6 frames ms"),
    ("pyav_1_frame_p50_ms", "PyAV 1 frame ms"),
    ("pyav_6_frames_p50_ms", "PyAV 6 frames ms"),
    ("torchcodec_6_frames_p50_ms", "torchcodec 6 frames ms"),
    ("load", "load"),
    ("others_cpu", "CPUs of others"),
)


def render(
    rows: Sequence[Row],
    *,
    crops: Path | None = None,
    equivalents: Sequence[Row] = (),
    reference: Mapping[str, Any] = REFERENCE,
    title: str = "Encoder settings, measured",
) -> str:
    """Make the page.

    Args:
        rows: rows of a sweep.
        crops: directory of image crops that the sweep wrote.
        equivalents: rows of `ffenc.bench.equivalence`.
        reference: the reference of comparisons, see `ffenc.bench.analysis.gaps`.
        title: title of the page.

    Raises:
        InputError: no row has a result.
    """
    summaries = [summary(row) for row in rows]
    good = [one for one in summaries if one["status"] in ("done", "partial")]
    if not good:
        raise InputError("no trial of the sweep succeeded, so there is nothing to report", path=Path("report"))
    front = [one["key"] for one in pareto_front(good)]
    fewest = min(one["cameras"] for one in good)
    compared = gaps([one for one in good if one["cameras"] == fewest], reference)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(resources.files("ffenc.bench").joinpath("report.html.jinja").read_text("utf-8"))
    sections = list(_sections(good, front, reference))
    specifications = [chart["spec"] for section in sections for chart in section["charts"]]
    return template.render(
        title=title,
        caveats=caveats(rows),
        sections=sections,
        # A "</script>" in a name would end the script element.
        specifications=json.dumps(specifications, separators=(",", ":")).replace("</", "<\\/"),
        library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script"),
        columns=[label for name, label in _COLUMNS if _is_known(good, name)],
        table=[_table_row(one, good, front) for one in good],
        gaps=[_gap_row(gap) for gap in compared],
        reference=" ".join(f"{name}={value}" for name, value in reference.items()),
        equivalents=_equivalents(equivalents),
        pictures=_pictures(rows, summaries, compared, reference, crops) if crops is not None else [],
        refused=[one for one in summaries if one["reason"]],
        provenance=_provenance(rows, good),
        count=len(good),
    )


def _sections(good: Sequence[Summary], front: Sequence[str], reference: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    fewest = min(one["cameras"] for one in good)
    families = list(dict.fromkeys(charts.family(one) for one in good))
    for source in dict.fromkeys(one["source"] for one in good):
        here = [one for one in good if one["source"] == source]
        single = [one for one in here if one["cameras"] == fewest]
        # Charts over another setting than crf show one crf only.
        crf = reference["crf"] if any(one["crf"] == reference["crf"] for one in here) else here[0]["crf"]
        g = reference["g"] if any(one["g"] == reference["g"] for one in here) else here[0]["g"]
        drawn = []
        for metric, axis in METRICS.items():
            if _is_known(single, metric):
                chart = charts.quality_chart(single, front, metric=metric, title=axis, families=families)
                drawn.append(_chart(f"Size against {metric.upper()}; a ring: on the Pareto front", chart))
                if _is_known(single, "cpu_ms_per_frame") and metric == next(iter(METRICS)):
                    cost = charts.cost_chart(single, metric=metric, title=axis, families=families)
                    drawn.append(_chart(f"CPU time against {metric.upper()}", cost))
        at_crf = [one for one in single if one["crf"] == crf]
        for reader in ("ffmpeg", "pyav", "torchcodec"):
            for pattern, said in (("1_frame", "one frame"), ("6_frames", "six frames")):
                if _is_known(at_crf, f"{reader}_{pattern}_p50_ms"):
                    chart = charts.reading_chart(at_crf, reader=reader, pattern=pattern, families=families)
                    drawn.append(_chart(f"Reading {said} through {reader} (crf {crf})", chart))
        if _is_known(here, "realtime"):
            chart = charts.realtime_chart(
                [one for one in here if one["crf"] == crf and one["g"] == g], families=families
            )
            drawn.append(_chart(f"Encoding speed against cameras (crf {crf}, g {g})", chart))
        yield {"source": source, "charts": drawn}


def _chart(heading: str, specification: dict[str, Any]) -> dict[str, Any]:
    return {"heading": heading, "spec": specification}


def _is_known(summaries: Iterable[Summary], name: str) -> bool:
    return any(one.get(name) is not None for one in summaries)


def _table_row(one: Summary, good: Sequence[Summary], front: Sequence[str]) -> dict[str, Any]:
    cells = []
    for name, _ in _COLUMNS:
        if _is_known(good, name):
            value = one.get(name)
            if name == "max_rss_bytes" and value is not None:
                value /= 2**20
            is_number = isinstance(value, int | float)
            shown = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
            cells.append({"shown": shown, "value": value if is_number else "", "number": is_number})
    return {"cells": cells, "front": one["key"] in front, "config": charts.config_text(one)}


def _gap_row(gap: Gap) -> dict[str, Any]:
    return {
        "source": gap.curve.source,
        "curve": gap.curve.label,
        "bd_rate": None if gap.bd_rate_percent is None else f"{gap.bd_rate_percent:+.1f} %",
        "reason": gap.reason,
        "crf": None if gap.equal_crf is None else f"{gap.equal_crf:.1f}",
        **{name: f"{gap.at_equal[name]:.2f}" if name in gap.at_equal else None for name in _GAP_COLUMNS},
    }


_GAP_COLUMNS = ("kbit_per_s", "cpu_ms_per_frame", "ffmpeg_6_frames_p50_ms", "pyav_6_frames_p50_ms")


def _equivalents(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a table row for each encoder, source and reference."""
    return [
        {
            "source": row["source"]["name"],
            "reference": f"{row['reference'].get('vcodec')} crf {row['reference']['crf']}",
            "encoder": " ".join(str(row["fields"][name]) for name in ("vcodec", "preset") if name in row["fields"]),
            "g": row["fields"].get("g", 2),
            "metric": row["metric"],
            "target": f"{row['target']:.4f}" if "target" in row else "",
            "crf": row.get("crf"),
            "exact": row.get("exact_crf"),
            "size": f"{row['size_bytes'] / row['reference_bytes']:.2f}" if "crf" in row else "",
            "reason": row.get("reason"),
        }
        for row in rows
    ]


def _pictures(
    rows: Sequence[Row],
    summaries: Sequence[Summary],
    compared: Sequence[Gap],
    reference: Mapping[str, Any],
    crops: Path,
) -> list[dict[str, Any]]:
    """Return crops for each source: the original, the reference, and for each encoder the trial of nearest quality."""
    found = []
    digests = {row["source"]["name"]: row["source"]["digest"] for row in rows}
    for source, digest in digests.items():
        chosen = [
            one for one in summaries if one["source"] == source and one["ssim"] is not None and one["cameras"] == 1
        ]
        anchors = [one for one in chosen if all(one.get(name) == value for name, value in reference.items())]
        if not anchors:
            continue
        pictures = [("original", digest), (_caption(anchors[0]), anchors[0]["key"])]
        for gap in compared:
            if gap.curve.source == source and gap.curve.g == reference["g"]:
                near = min(gap.curve.points, key=lambda one: abs(one["ssim"] - anchors[0]["ssim"]))
                pictures.append((_caption(near), near["key"]))
        shown = [
            {"caption": caption, "data": base64.b64encode((crops / f"{name}.png").read_bytes()).decode("ascii")}
            for caption, name in pictures
            if (crops / f"{name}.png").is_file()
        ]
        found.append({"source": source, "pictures": shown})
    return found


def _caption(one: Summary) -> str:
    return f"{charts.config_text(one)}: {one['kbit_per_s']:.0f} kbit/s, SSIM {one['ssim']:.4f}"


def _provenance(rows: Sequence[Row], good: Sequence[Summary]) -> list[tuple[str, str]]:
    loads = [one["load"] for one in good if one["load"] is not None]
    others = [one["others_cpu"] for one in good if one["others_cpu"] is not None]
    times = sorted(sample["at"] for row in rows for sample in row.get("timing", ()))
    said = {(name, value) for row in rows for name, value in row["machine"].items()}
    said |= {("ffmpeg", row["ffmpeg"]["version"]) for row in rows}
    lines = sorted(said)
    for row in {row["source"]["digest"]: row for row in rows}.values():
        source = row["source"]
        size = f"{source['width']}x{source['height']}, {source['frames']} frames at {source['fps']}/s"
        lines.append(("source", f"{source['name']}: {size}"))
    if times:
        rounds = [len(row["timing"]) for row in rows if row.get("timing")]
        lines += [
            ("measured", f"{times[0]} to {times[-1]}"),
            ("rounds", f"{min(rounds)} to {max(rounds)} of each trial"),
        ]
    if loads:
        lines.append(("load average at the start of a run", f"{min(loads):.2f} to {max(loads):.2f}"))
    if others:
        lines.append(("processors that others kept busy", f"{min(others):.2f} to {max(others):.2f}"))
    return lines
