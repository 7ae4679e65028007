from __future__ import annotations

import base64
import json
import re

import pytest

from ffenc.bench.images import save_crop
from ffenc.bench.report import render
from ffenc.bench.synthetic import pattern
from ffenc.errors import InputError
from tests.unit.bench.rows_of_a_sweep import row

REFERENCE = {"encoder": "libx264", "g": 2, "crf": 30}


def rows() -> list[dict]:
    sizes = {20: (4000, 0.98), 30: (2000, 0.95), 40: (1000, 0.90), 50: (500, 0.80)}
    return [
        row(encoder=encoder, crf=crf, g=g, size_bytes=size * times, ssim=ssim)
        for encoder, times in (("libx264", 1.0), ("libx265", 0.5))
        for g in (2, 10)
        for crf, (size, ssim) in sizes.items()
    ]


def test_the_page_asks_for_nothing_from_elsewhere():
    markup = render(rows(), reference=REFERENCE).split("<script>")[
        0
    ]  # what follows is Vega's, with addresses in its texts
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"?(?!data:)", markup)
    assert not re.findall(r"url\(|@import", markup)


def test_names_from_files_cannot_become_part_of_the_page():
    bad = row()
    bad["source"] = {**bad["source"], "name": "</script><b>x"}
    page = render([bad, row(status="refused", reason="<i>no</i>", key="r")], reference=REFERENCE)
    assert "</script><b>x" not in page
    assert "<i>no</i>" not in page
    assert "&lt;i&gt;no&lt;/i&gt;" in page


def test_charts_hold_the_figures_of_the_rows():
    page = render(rows(), reference=REFERENCE)
    (line,) = [line for line in page.splitlines() if line.startswith("const specifications = ")]
    charts = json.loads(line.removeprefix("const specifications = ").removesuffix(";"))
    titles = [chart["layer"][0]["encoding"]["y"]["title"] for chart in charts]
    assert titles == [
        "SSIM, higher is better",
        "SSIM, higher is better",
        "ms a request, median; bar to p95",
        "times real time (logarithmic)",
    ]
    (points,) = charts[0]["datasets"].values()
    assert len(points) == 16
    assert {point["kbit_per_s"] for point in points} == {16, 8, 4, 2, 1}
    # The first encoder is never on the front: the second is half as large at the same quality.
    assert {point["family"] for point in points if point["front"]} == {"libx265 fast"}


def test_a_gap_and_the_equivalent_crf_stand_in_tables():
    equal = {
        "key": "e", "source": {"name": "scene"}, "reference": {"vcodec": "av1", "crf": 30}, "fields": {"vcodec": "h264"},
        "metric": "ssim", "target": 0.95, "crf": 21, "exact_crf": 21.4, "size_bytes": 50, "reference_bytes": 100,
    }  # fmt: skip
    page = render(rows(), reference=REFERENCE, equivalents=[equal])
    assert "-50.0 %" in page
    assert '<td class="number">21.4</td><td class="number">0.50</td>' in page


def test_the_same_part_of_the_same_frame_is_shown_of_every_encoder(tmp_path):
    (frame,) = pattern(1, 64, 48)
    for name in ("s", *(one["key"] for one in rows())):
        save_crop(frame, (32, 32), tmp_path / f"{name}.png")
    page = render(rows(), crops=tmp_path, reference=REFERENCE)
    images = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', page)
    assert [caption.split(":")[0] for caption, _ in images] == [
        "original", "libx264 preset=fast g=2 crf=30 pix_fmt=yuv420p", "libx265 preset=fast g=2 crf=30 pix_fmt=yuv420p",
    ]  # fmt: skip
    assert all(base64.b64decode(data) == (tmp_path / "s.png").read_bytes() for _, data in images)


def test_a_page_needs_one_trial_that_worked():
    with pytest.raises(InputError, match="no trial"):
        render([row(status="refused", reason="no")])
