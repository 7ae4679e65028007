"""``dataset_card`` writes what LeRobot and the Hub expect, and never half of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ffenc import Binaries, dataset_card
from ffenc.cli.main import main
from ffenc.dataset.card import SHEET
from ffenc.errors import DatasetError, OutputError, OutputExistsError
from tests.dataset_faults import METADATA, VIDEO, copy_of, feature, write
from tests.datasets import tree_of
from tests.lerobot_data import needs_av1_decoder, needs_png_encoder

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

LEROBOT_METADATA: dict[str, Any] = {
    "tags": ["LeRobot"],
    "task_categories": ["robotics"],
    "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
}


def parts(card: Path) -> tuple[dict[str, Any], str]:
    _, front, body = card.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def test_card_has_metadata_contents_and_a_contact_sheet(tmp_path, binaries: Binaries):
    needs_av1_decoder(binaries)
    needs_png_encoder(binaries)
    root = copy_of("D", tmp_path)
    before = tree_of(root)
    card = dataset_card(root, license="cc-by-4.0", repo_id="me/cubes", binaries=binaries)
    assert (card.path, card.sheet, card.why_no_sheet) == (root / "README.md", root / SHEET, None)
    front, body = parts(card.path)
    assert front == {"license": "cc-by-4.0", **LEROBOT_METADATA}
    for line in (
        "# me/cubes",
        f"![Frames of the first episode]({SHEET})",
        "| episodes | 2 |",
        "| frames | 24 at 30 per second |",
        "| license | cc-by-4.0 |",
        "| pick the cube | 2 |",
        "| action | float32 | 6 | j0, j1, j2, j3, j4, j5 |",
        "hf download me/cubes --repo-type=dataset --revision=v3.0 --local-dir=cubes",
    ):
        assert line in body.splitlines()
    assert "| 128x96 | av1 | yuv420p | g 2, crf 30, preset 12, fast\\_decode 0 |" in body
    assert "depth\\_max 10.0" in body
    assert "OWNER/NAME" not in body
    assert (root / SHEET).read_bytes().startswith(b"\x89PNG")
    assert {name: content for name, content in tree_of(root).items() if name in before} == before
    assert set(tree_of(root)) - set(before) == {"README.md", SHEET}


def test_license_is_left_open(tmp_path):
    card = dataset_card(copy_of("A", tmp_path), sheet=False)
    assert parts(card.path)[0] == LEROBOT_METADATA
    assert "| license | not given |" in card.path.read_text()
    assert SHEET not in card.path.read_text()


def test_placeholder_for_the_name_is_explained(tmp_path, capsys):
    root = copy_of("A", tmp_path)
    assert main(["card", str(root), "--sheet=false"]) == 0
    said = capsys.readouterr()
    assert "has the placeholder OWNER/NAME" in said.err
    assert "--repo_id=OWNER/NAME" in said.err
    assert "OWNER/NAME stands for the name of this repository." in (root / "README.md").read_text()
    assert main(["card", str(root), "--sheet=false", "--overwrite", "--repo_id=me/cubes"]) == 0
    assert "placeholder" not in capsys.readouterr().err
    assert "OWNER/NAME" not in (root / "README.md").read_text()


@pytest.mark.parametrize("existing", ["README.md", SHEET])
def test_existing_file_is_kept(tmp_path, existing, binaries: Binaries):
    root = copy_of("A", tmp_path)
    write(existing, b"mine")(root)
    before = tree_of(root)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        dataset_card(root, binaries=binaries)
    assert tree_of(root) == before
    needs_av1_decoder(binaries)
    needs_png_encoder(binaries)
    dataset_card(root, overwrite=True, binaries=binaries)
    assert (root / existing).read_bytes() != b"mine"


@pytest.mark.parametrize("fault", ["only meta", "a broken video"])
def test_card_is_written_without_a_sheet_that_cannot_be_drawn(tmp_path, fault, binaries: Binaries):
    root = copy_of("A", tmp_path)
    (METADATA[fault][0] if fault in METADATA else write(VIDEO, b"x"))(root)
    card = dataset_card(root, binaries=binaries)
    assert card.sheet is None
    assert VIDEO in str(card.why_no_sheet)
    assert not list(root.glob("*.png"))
    assert not list(root.glob(".*"))


def test_text_of_the_dataset_stays_text(tmp_path):
    root = copy_of("A", tmp_path)
    feature("action", names=["a|b", "<script>", "`x`", "two\nlines"])(root)
    text = dataset_card(root, sheet=False).path.read_text()
    assert "| action | float32 | 6 | a\\|b, &lt;script>, \\`x\\`, two lines |" in text


@pytest.mark.parametrize(
    "options", [{"license": "a b"}, {"license": "mit\ntags: [x]"}, {"repo_id": "cubes"}, {"repo_id": "me/cubes; ls"}]
)
def test_invalid_names_are_refused(tmp_path, options):
    root = copy_of("A", tmp_path)
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; expected"):
        dataset_card(root, sheet=False, **options)
    assert not (root / "README.md").exists()


def test_missing_places_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="not a LeRobot dataset"):
        dataset_card(tmp_path)
    with pytest.raises(OutputError, match="does not exist; create it first"):
        dataset_card(copy_of("A", tmp_path), output=tmp_path / "no" / "card.md", sheet=False)


def test_command_writes_elsewhere(tmp_path, capsys):
    root = copy_of("A", tmp_path)
    words = ["card", str(root), f"--output={tmp_path / 'card.md'}", "--sheet=false", "--license=mit"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "card.md")
    assert parts(tmp_path / "card.md")[0]["license"] == "mit"
    assert not (root / "README.md").exists()
    assert main(words) == 1
    assert main(["card", str(root), "--license=a b"]) == 2
