"""Every fault of the tables is found by its own code, and nothing is found in good datasets; without FFmpeg."""

from __future__ import annotations

import pytest

from ffenc.dataset.finding_codes import CODES
from ffenc.dataset.verify import verify_dataset
from tests.dataset_faults import METADATA, copy_of
from tests.lerobot_data import DATASETS


@DATASETS
def test_nothing_is_found_in_what_lerobot_recorded(root):
    report = verify_dataset(root)
    assert report.findings == ()
    assert report.ok


@pytest.mark.parametrize(("damage", "codes"), METADATA.values(), ids=METADATA)
def test_a_fault_is_found_by_its_code(tmp_path, damage, codes):
    root = copy_of("A", tmp_path)
    damage(root)
    report = verify_dataset(root)
    assert set(report.counts) == codes, report.findings
    assert all(finding.message and finding.remedy == CODES[finding.code].remedy for finding in report.findings)
