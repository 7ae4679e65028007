"""Columns of a table become vectors, and invalid tables are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.errors import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
read_episode_table = pytest.importorskip("ffenc.dataset.convert.episode_table").read_episode_table


def csv(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_columns_with_a_colon_are_components_of_a_vector(tmp_path: Path) -> None:
    text = "observation.state:pan.pos,action:pan.pos,observation.state:lift.pos,done\n0.5,1,2,0\n1.5,3,-4,1\n"
    table = read_episode_table(csv(tmp_path, text))
    assert table.rows == 2
    assert table.components == {
        "observation.state": ("pan.pos", "lift.pos"),
        "action": ("pan.pos",),
        "done": ("0",),
    }
    assert np.array_equal(table.vectors["observation.state"], np.array([[0.5, 2], [1.5, -4]], np.float32))
    assert {values.dtype for values in table.vectors.values()} == {np.dtype("float32")}
    assert table.features()["observation.state"] == {
        "dtype": "float32",
        "shape": (2,),
        "names": ["pan.pos", "lift.pos"],
    }


def test_lists_of_parquet_are_vectors(tmp_path: Path) -> None:
    table = read_episode_table(parquet(tmp_path, {"action": [[1.0, 2.0], [3.0, 4.0]], "ok": [True, False]}))
    assert table.components == {"action": ("0", "1"), "ok": ("0",)}
    assert np.array_equal(table.vectors["action"], [[1, 2], [3, 4]])
    assert np.array_equal(table.vectors["ok"], [[1], [0]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read as a table"),
        ("a:x,a:y\n", "has no rows"),
        ("a,b\n1,\n", "missing values"),
        ("a\nfast\n", "expected numbers"),
        ("a\nnan\n", "missing values"),
        ("a\n1e300\n", "not a finite number"),
        ("a\n16777217\n", "float32 cannot represent exactly"),
        ("timestamp\n1\n", "the recorder fills"),
        ("task\n1\n", "the recorder fills"),
        (":x\n1\n", "invalid column name"),
        ("a:\n1\n", "invalid column name"),
        ("a,a\n1,2\n", "two columns with the same name"),
        ("a,a:x\n1,2\n", "one component"),
    ],
)
def test_invalid_table_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_episode_table(csv(tmp_path, text))


def test_lists_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different lengths"):
        read_episode_table(parquet(tmp_path, {"action": [[1.0, 2.0], [3.0]]}))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        read_episode_table(tmp_path / "table.xlsx")
    with pytest.raises(InputError, match="cannot be read"):
        read_episode_table(tmp_path / "nothing.csv")
