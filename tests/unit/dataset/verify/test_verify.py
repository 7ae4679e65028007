"""Every fault of the tables is found with its code, and correct datasets have no findings; without FFmpeg."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ffenc.dataset.format.documents import save_info
from ffenc.dataset.format.parquet_series import load_table
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.verify.finding_codes import CODES
from ffenc.dataset.verify.findings import MOST_KEPT, Findings
from ffenc.dataset.verify.verify import verify_dataset
from tests.dataset_faults import DATA, EPISODES, METADATA, TASKS, cell, copy_of, episode
from tests.lerobot_data import DATASETS, LEROBOT


@DATASETS
def test_lerobot_datasets_have_no_findings(root):
    report = verify_dataset(root)
    assert report.findings == ()
    assert report.ok


@pytest.mark.parametrize(("damage", "codes"), METADATA.values(), ids=METADATA)
def test_fault_is_found_with_its_code(tmp_path, damage, codes):
    root = copy_of("A", tmp_path)
    damage(root)
    report = verify_dataset(root)
    assert set(report.counts) == codes, report.findings
    assert all(finding.message and finding.remedy == CODES[finding.code].remedy for finding in report.findings)


def test_every_metadata_code_is_tested():
    tested = set().union(*(codes for _, codes in METADATA.values()))
    wanted = {name for name, code in CODES.items() if code.level == "metadata"}
    # A second process is needed for dataset-in-use (test_lock), and an operation for stats-relative (test_recompute_stats).
    assert wanted - tested == {"check-failed", "dataset-in-use", "stats-relative"}


def test_v2_dataset_is_reported_with_the_command_that_converts_it(tmp_path):
    root = copy_of("A", tmp_path)
    METADATA["v2.1"][0](root)
    (finding,) = verify_dataset(root).findings
    assert f"run `ffenc upgrade {root}` first" in finding.message


def test_finding_has_its_place(tmp_path):
    root = copy_of("A", tmp_path)
    cell("timestamp", 30, 9.0)(root)
    (finding,) = verify_dataset(root).findings
    assert (finding.episode, finding.frame, finding.path) == (1, 10, Path(DATA))
    assert finding.severity == "error"
    assert finding.message == "timestamp is 9.0, expected 0.3333333432674408; 1 of 25 rows are wrong"


def test_folder_with_only_meta_is_verified_at_level_metadata(tmp_path):
    root = copy_of("A", tmp_path)
    METADATA["only meta"][0](root)
    report = verify_dataset(root)
    assert report.ok
    assert (report.episodes, report.frames) == (3, 0)
    assert report.findings[0].message == "the folder has neither data nor videos, so neither was checked"
    cell("length", 1, 26, table=EPISODES)(root)
    assert set(verify_dataset(root).counts) == {"meta-only", "episode-length-wrong"}


@pytest.mark.parametrize("lost", ["data", "videos"])
def test_lost_folder_is_an_error_beside_the_other(tmp_path, lost):
    root = copy_of("A", tmp_path)
    shutil.rmtree(root / lost)
    report = verify_dataset(root)
    assert report.severities["error"]
    assert "meta-only" not in report.counts


def test_levels_that_read_videos_need_them(tmp_path):
    root = copy_of("A", tmp_path)
    METADATA["only meta"][0](root)
    assert {"data-missing", "video-missing"} <= set(verify_dataset(root, "packets").counts)


def test_dataset_without_episodes_has_no_findings(tmp_path):
    save_info(tmp_path, DatasetInfo.create(30, {"action": {"dtype": "float32", "shape": [2]}}))
    assert verify_dataset(tmp_path).findings == ()


def test_rows_may_be_in_any_row_groups_and_files(tmp_path):
    root = copy_of("A", tmp_path)
    table = load_table(root / DATA)
    pq.write_table(table.slice(0, 45), root / DATA, row_group_size=7)
    pq.write_table(table.slice(45), root / "data/chunk-000/file-001.parquet", row_group_size=4)
    assert set(verify_dataset(root).counts) == {"episode-data-file-wrong"}
    episode("data/file_index", 2, 1)(root)
    assert verify_dataset(root).findings == ()


def test_exception_becomes_a_finding(tmp_path, monkeypatch):
    def fail(subject: object) -> None:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr("ffenc.dataset.verify.verify.check_episodes", fail)
    report = verify_dataset(copy_of("A", tmp_path))
    assert [finding.code for finding in report.findings if finding.code == "check-failed"] == ["check-failed"]
    assert "ZeroDivisionError: no luck" in report.findings[0].message


def test_a_bounded_number_of_findings_is_kept():
    findings = Findings(root=Path("/x"))
    for number in range(5 * MOST_KEPT):
        findings.add("data-index-wrong", "no", episode=number)
    findings.add("task-unused", "no")
    assert len(findings.kept) == MOST_KEPT + 1
    assert findings.counts == {"data-index-wrong": 5 * MOST_KEPT, "task-unused": 1}
    assert findings.severities == {"error": 5 * MOST_KEPT, "warning": 0, "note": 1}


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_does_not_raise(tmp_path, seed):
    chance = random.Random(seed)  # noqa: S311
    for name in ("meta/info.json", "meta/stats.json", TASKS, EPISODES, DATA):
        root = copy_of("A", tmp_path / name.replace("/", "-"))
        content = bytearray((root / name).read_bytes())
        for _ in range(chance.choice([1, 3, 30])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (root / name).write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
        assert "check-failed" not in verify_dataset(root).counts


def test_unknown_level_is_refused():
    with pytest.raises(ValueError, match="unknown level 'deep'; expected one of metadata, packets, decode"):
        verify_dataset(LEROBOT / "A", "deep")


def test_docs_page_lists_every_code():
    page = (LEROBOT.parents[2] / "docs/verify.md").read_text(encoding="utf-8")
    listed = [line for line in page.partition("## Codes")[2].splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{code.name}` | {code.severity} | {code.level} | {code.meaning} | {'yes' if code.repaired else ''} |"
        for code in CODES.values()
    ]
