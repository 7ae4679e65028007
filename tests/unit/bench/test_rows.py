from __future__ import annotations

import csv
import logging

import pytest

from ffenc.bench.rows import LEROBOT_COLUMNS, ResultsFile, lerobot_csv, load_rows, plain_fields, summary
from ffenc.errors import InputError
from tests.unit.bench.rows_of_a_sweep import row


def test_the_last_line_of_a_key_counts(tmp_path):
    store = ResultsFile(tmp_path / "r.jsonl")
    for rounds in (1, 2):
        store.put(row(rounds=rounds))
    store.put(row(crf=40))
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3
    again = ResultsFile(tmp_path / "r.jsonl")
    assert [one["rounds"] for one in again.rows.values()] == [2, 3]
    again.compact()
    assert [one["rounds"] for one in load_rows(tmp_path / "r.jsonl")] == [2, 3]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 2


def test_a_line_that_a_kill_cut_off_is_left_out_and_the_next_one_is_whole(tmp_path, caplog):
    path = tmp_path / "r.jsonl"
    ResultsFile(path).put(row())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2].replace(b"libx264-30-2", b"libx264-31-2"))
    with caplog.at_level(logging.WARNING):
        store = ResultsFile(path)
    assert "line 2" in caplog.text
    store.put(row(crf=40))
    assert list(ResultsFile(path).rows) == ["libx264-30-2", "libx264-40-2"]


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b'{"a": 1}\n'])
def test_another_file_is_not_taken_for_results(tmp_path, content):
    (tmp_path / "r.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="line 1"):
        load_rows(tmp_path / "r.jsonl")


def test_no_results_are_an_error(tmp_path):
    with pytest.raises(InputError, match="ffenc bench writes one"):
        load_rows(tmp_path / "r.jsonl")


def test_a_summary_has_medians_and_their_spread():
    found = summary(row())
    assert (found["realtime_min"], found["realtime"], found["realtime_max"]) == (1, 2, 3)
    assert found["kbit_per_s"] == 4.0  # 8000 bits in 2 s
    assert found["ffmpeg_6_frames_p50_ms"] == 18
    assert found["energy_j"] is None


def test_the_table_of_lerobots_old_benchmark():
    (line,) = csv.DictReader(lerobot_csv([row(), row(status="refused", reading=None)]).splitlines())
    assert tuple(line) == LEROBOT_COLUMNS
    assert line["video_images_size_ratio"] == "0.25"
    assert float(line["avg_load_time_video_ms"]) == 3.0  # a frame
    assert float(line["video_images_load_time_ratio"]) == 1.5
    assert float(line["avg_mse"]) == pytest.approx(1e-4)


def test_fields_in_one_line():
    assert plain_fields({"g": 2, "vcodec": "h264", "extra_options": {"tune": "x"}}) == "h264 g=2 tune=x"
