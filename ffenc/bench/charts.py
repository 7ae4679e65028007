"""Make the charts of a report as Vega-Lite specifications, in the page's colours, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ffenc.bench.analysis import Summary
from ffenc.errors import DependencyError

try:
    import altair as alt
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("the report needs Altair: pip install 'ffenc-video[bench]'") from err

PALETTE = ("#3b82f6", "#e8590c", "#2f9e44", "#be4bdb", "#d69e00", "#0ca5a5", "#e64980", "#868e96")
"""Colours that are readable on white and on black."""

_TEXT = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 12, "titleFontSize": 12}
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    # Not "inherit": Vega measures texts with this font before drawing them.
    "font": 'system-ui, "DejaVu Sans", sans-serif',
    "axis": {
        **_TEXT,
        "domainColor": "currentColor",
        "tickColor": "currentColor",
        "gridColor": "currentColor",
        "gridOpacity": 0.12,
        "titleFontWeight": "normal",
        "labelSeparation": 6,
    },
    "legend": {
        **_TEXT,
        "orient": "bottom",
        "layout": {"bottom": {"direction": "vertical", "anchor": "start"}},
        "columns": 2,
        "labelLimit": 220,
        "symbolOpacity": 1,
        "symbolBaseStrokeColor": "currentColor",
        "symbolBaseFillColor": "currentColor",
    },
    "view": {"stroke": "currentColor", "strokeOpacity": 0.25},
    "range": {"category": list(PALETTE)},
}
_HEIGHT = 300
_TIPS: Sequence[tuple[str, str, str]] = (
    ("config", "config", "N"),
    ("kbit_per_s", "kbit/s", "Q"),
    ("ratio_png", "times smaller than PNG", "Q"),
    ("ssim", "SSIM", "Q"),
    ("vmaf", "VMAF", "Q"),
    ("psnr_db", "PSNR dB", "Q"),
    ("realtime", "x real time", "Q"),
    ("cpu_ms_per_frame", "CPU ms/frame", "Q"),
)


def config_text(summary: Summary) -> str:
    """Return the settings of a trial in one line."""
    named = ("preset", "g", "crf", "pix_fmt", "encoder_threads")
    parts = [f"{name}={summary[name]}" for name in named if summary.get(name) is not None]
    parts += [f"{name}={value}" for name, value in (summary.get("extra_options") or {}).items()]
    return " ".join([str(summary["encoder"]), *parts])


def family(summary: Summary) -> str:
    """Return encoder and preset, which share a colour."""
    preset = summary.get("preset")
    return str(summary["encoder"]) if preset is None else f"{summary['encoder']} {preset}"


def quality_chart(
    summaries: Iterable[Summary], front: Sequence[str], *, metric: str, title: str, families: Sequence[str]
) -> dict[str, Any]:
    """Chart rate against quality: a line per encoder and g, a ring around points on the Pareto front.

    Args:
        summaries: trials of one source.
        front: keys of the trials on the front.
        metric: the quality metric.
        title: title of its axis.
        families: every `family` of the page, in the order of their colours.
    """
    points = [one | {"front": one["key"] in front} for one in _points(summaries, "kbit_per_s", metric)]
    base = _chart(points).encode(
        x=alt.X("kbit_per_s:Q", title="size, kbit/s (logarithmic)", scale=alt.Scale(type="log", nice=False)),
        y=alt.Y(f"{metric}:Q", title=title, scale=alt.Scale(zero=False)),
        color=_colour(families),
        detail=["curve:N"],
    )
    lines = base.mark_line(strokeWidth=1.5, opacity=0.8).encode(strokeDash=_dash(points))
    dots = base.mark_point(filled=True, size=45, opacity=1).encode(tooltip=_tips(metric))
    rings = (
        base.transform_filter("datum.front")
        .mark_point(filled=False, size=160, strokeWidth=1.5)
        .encode(tooltip=_tips(metric))
    )
    return _specification(lines + rings + dots)


def reading_chart(
    summaries: Iterable[Summary], *, reader: str, pattern: str, families: Sequence[str]
) -> dict[str, Any]:
    """Chart the time of a read request against g."""
    name = f"{reader}_{pattern}"
    points = _points(summaries, f"{name}_p50_ms", joined_by="g")
    base = _chart(points).encode(
        x=alt.X("g:O", title="g, frames between keyframes", axis=alt.Axis(labelAngle=0), sort=_ordered(points)),
        y=alt.Y(f"{name}_p50_ms:Q", title="ms a request, median; bar to p95"),
        color=_colour(families),
        detail=["curve:N"],
    )
    tips = [
        alt.Tooltip("config:N"),
        *(alt.Tooltip(f"{name}_p{percent}_ms:Q", title=f"p{percent} ms", format=".1f") for percent in (50, 95, 99)),
        alt.Tooltip(f"{name}_decoded_per_wanted:Q", title="frames decoded per frame wanted", format=".2f"),
    ]
    lines = base.mark_line(strokeWidth=1.5)
    bars = base.mark_rule(opacity=0.45).encode(y2=f"{name}_p95_ms:Q")
    return _specification(lines + bars + base.mark_point(filled=True, size=60, opacity=1).encode(tooltip=tips))


def realtime_chart(summaries: Iterable[Summary], *, families: Sequence[str]) -> dict[str, Any]:
    """Chart the encoding speed, in multiples of real time, against the number of cameras."""
    points = _points(summaries, "realtime", joined_by="cameras")
    base = _chart(points).encode(
        x=alt.X("cameras:O", title="cameras at once", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("realtime:Q", title="times real time (logarithmic)", scale=alt.Scale(type="log")),
        color=_colour(families),
        detail=["curve:N"],
    )
    limit = alt.Chart({"values": [{"realtime": 1}]}).mark_rule(strokeDash=[4, 3]).encode(y="realtime:Q")
    limit = limit.encode(color=alt.value("currentColor"))
    spread = base.mark_rule(opacity=0.45).encode(y="realtime_min:Q", y2="realtime_max:Q")
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(tooltip=_tips("realtime"))
    return _specification(base.mark_line(strokeWidth=1.5) + spread + dots + limit)


def cost_chart(summaries: Iterable[Summary], *, metric: str, title: str, families: Sequence[str]) -> dict[str, Any]:
    """Chart quality against CPU time."""
    points = _points(summaries, "cpu_ms_per_frame", metric)
    base = _chart(points).encode(
        x=alt.X("cpu_ms_per_frame:Q", title="CPU ms a frame (logarithmic)", scale=alt.Scale(type="log", nice=False)),
        y=alt.Y(f"{metric}:Q", title=title, scale=alt.Scale(zero=False)),
        color=_colour(families),
        detail=["curve:N"],
    )
    dots = base.mark_point(filled=True, size=45, opacity=1).encode(tooltip=_tips(metric))
    lines = base.mark_line(strokeWidth=1.5, opacity=0.8).encode(strokeDash=_dash(points))
    return _specification(lines + dots)


def _points(summaries: Iterable[Summary], *needed: str, joined_by: str = "crf") -> list[dict[str, Any]]:
    """Return the data of a chart: the trials that have its figures.

    Args:
        summaries: summaries of trials.
        needed: figures that the chart shows.
        joined_by: the setting in which the points of a line differ.
    """
    points = []
    for one in summaries:
        if all(one.get(name) is not None for name in needed):
            names = {*needed, *(name for name, _, _ in _TIPS), *_beside(needed), "key", "cameras"}
            point = {name: one[name] for name in sorted(names) if one.get(name) is not None}
            point |= {"g": "auto" if one.get("g") is None else str(one["g"])}
            point |= {"config": config_text(one), "family": family(one)}
            shared = ("encoder", "preset", "g", "crf", "pix_fmt", "extra_options", "encoder_threads", "cameras")
            point["curve"] = " ".join(str(one.get(name)) for name in shared if name != joined_by)
            points.append(point)
    return points


def _beside(names: Iterable[str]) -> Iterator[str]:
    """Yield the names of the figures that show the spread of these figures."""
    for name in names:
        yield from (f"{name}_min", f"{name}_max")
        if name.endswith("_p50_ms"):
            stem = name.removesuffix("_p50_ms")
            yield from (f"{stem}_p95_ms", f"{stem}_p99_ms", f"{stem}_decoded_per_wanted")


def _ordered(points: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({str(point["g"]) for point in points}, key=lambda g: (not g.isdigit(), int(g) if g.isdigit() else 0))


def _chart(points: Sequence[Mapping[str, Any]]) -> alt.Chart:
    return alt.Chart({"values": list(points)}, width="container", height=_HEIGHT)


def _colour(families: Sequence[str]) -> alt.Color:
    """Give an encoder the same colour in all charts of a page."""
    colours = [PALETTE[place % len(PALETTE)] for place in range(len(families))]
    return alt.Color("family:N", title="encoder and preset", scale=alt.Scale(domain=list(families), range=colours))


def _dash(points: Sequence[Mapping[str, Any]]) -> alt.StrokeDash:
    legend = alt.Legend(symbolType="stroke", symbolSize=400)
    return alt.StrokeDash("g:N", title="g", sort=_ordered(points), legend=legend)


def _tips(metric: str) -> list[alt.Tooltip]:
    tips = [
        alt.Tooltip(f"{name}:{kind}", title=title, format=".4~g" if kind == "Q" else alt.Undefined)
        for name, title, kind in _TIPS
    ]
    known = {name for name, _, _ in _TIPS}
    return tips if metric in known else [*tips, alt.Tooltip(f"{metric}:Q", format=".4~g")]


def _specification(chart: alt.LayerChart) -> dict[str, Any]:
    document: dict[str, Any] = chart.to_dict()
    document["config"] = _CONFIG
    document["width"], document["height"] = "container", _HEIGHT
    document["autosize"] = {"type": "fit-x", "contains": "padding"}
    return document
