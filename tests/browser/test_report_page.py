"""The report in a real browser: it opens without complaints, draws, sorts and answers to the mouse.

Skipped without Chromium, unless ``FFENC_REQUIRE_CHROMIUM`` is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from ffenc.bench.report import render
from tests.unit.bench.test_report import REFERENCE, rows

_FIRST = """<script>
window.complaints = [];
addEventListener("error", (event) => complaints.push(String(event.message)));
addEventListener("unhandledrejection", (event) => complaints.push(String(event.reason)));
for (const name of ["error", "warn"]) console[name] = (...parts) => complaints.push(parts.join(" "));
</script>"""
_LAST = """<script>
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const column = (place) => [...document.querySelector("#trials").tBodies[0].rows].map((row) => row.cells[place].textContent);
(async () => {
  for (let wait = 0; wait < 100 && document.querySelectorAll(".plot svg").length < specifications.length; wait++) await pause(50);
  const heads = [...document.querySelectorAll("#trials th")];
  const place = heads.findIndex((head) => head.textContent === "kbit/s");
  heads[place].querySelector("button").click();
  const up = column(place);
  heads[place].querySelector("button").click();
  const down = column(place);
  const mark = document.querySelector("#plot-0 .mark-symbol.role-mark path");
  const box = mark.getBoundingClientRect();
  for (const kind of ["pointerover", "pointermove", "mouseover", "mousemove"]) {
    const at = { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    mark.dispatchEvent(kind.startsWith("pointer") ? new PointerEvent(kind, at) : new MouseEvent(kind, at));
  }
  await pause(300);
  const tip = document.querySelector("#vg-tooltip-element");
  const seen = {
    complaints,
    plots: [...document.querySelectorAll(".plot")].map((plot) => plot.querySelectorAll(".mark-symbol.role-mark path").length),
    up, down,
    sorted: heads[place].getAttribute("aria-sort"),
    tip: tip && getComputedStyle(tip).visibility === "visible" ? tip.textContent : "",
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    text: getComputedStyle(document.querySelector("#plot-0 .role-axis-title text")).fill,
    page: getComputedStyle(document.body).backgroundColor,
  };
  document.body.insertAdjacentHTML("beforeend", "<pre id=seen></pre>");
  document.querySelector("#seen").textContent = JSON.stringify(seen);
})();
</script>"""


def watched_page() -> str:
    """The report with scripts at both ends; Vega's own code has tags in its texts too."""
    start, rest = render(rows(), reference=REFERENCE).split("<head>", 1)
    middle, end = rest.rsplit("</body>", 1)
    return f"{start}<head>{_FIRST}{middle}{_LAST}</body>{end}"


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("FFENC_REQUIRE_CHROMIUM"):
            pytest.fail("FFENC_REQUIRE_CHROMIUM is set, but there is no chromium")
        pytest.skip("no chromium")
    return found


def look_at(browser: str, page: Path, profile: Path, *, width: int, dark: bool) -> dict:
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *flags,
         f"--window-size={width},1000", "--virtual-time-budget=15000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(unescape(seen))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_opens_draws_sorts_and_answers(browser, tmp_path, dark):
    page = tmp_path / "report.html"
    page.write_text(watched_page(), encoding="utf-8")
    seen = look_at(browser, page, tmp_path / "profile", width=1280, dark=dark)
    assert seen["complaints"] == []
    assert len(seen["plots"]) == 4
    assert all(marks > 0 for marks in seen["plots"])
    numbers = [float(text) for text in seen["up"]]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[-1]
    assert seen["down"] == seen["up"][::-1] or [float(text) for text in seen["down"]] == sorted(numbers, reverse=True)
    assert seen["sorted"] == "descending"
    assert re.search(r"config.*libx26[45] preset=fast g=\d+ crf=\d+", seen["tip"])
    assert seen["dark"] is dark
    brightness = {name: sum(map(int, re.findall(r"\d+", seen[name])[:3])) for name in ("text", "page")}
    assert (brightness["text"] > brightness["page"]) is dark


def test_nothing_is_wider_than_a_telephone(browser, tmp_path):
    inner = tmp_path / "report.html"
    inner.write_text(watched_page(), encoding="utf-8")
    # A window cannot be this narrow, a frame can.
    outer = tmp_path / "frame.html"
    outer.write_text(
        f'<iframe id="f" src="{inner.as_uri()}" style="width:390px;height:900px;border:0"></iframe>'
        "<script>setInterval(() => { const seen = document.getElementById('f').contentDocument.getElementById('seen');"
        " if (seen && !document.getElementById('seen')) document.body.append(document.importNode(seen, true)); }, 100)</script>"
    )
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--allow-file-access-from-files", "--virtual-time-budget=15000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    (found,) = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    seen = json.loads(unescape(found))
    assert seen["complaints"] == []
    assert seen["wide"] <= 0
    assert all(marks > 0 for marks in seen["plots"])
