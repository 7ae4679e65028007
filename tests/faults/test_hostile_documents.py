"""Every command handles malicious datasets, configurations and job lists without a crash.

All cases run in one process with limited memory, through the function that the command line calls.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import os
import resource
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries
from ffenc.cli.main import main
from tests.children import run_python
from tests.dataset_faults import DATA, EPISODES, LAPTOP, TASKS, VIDEO, copy_of

pytest.importorskip("pyarrow")
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

MEMORY_BYTES = 512 << 20
SECONDS_EACH = 20
INFO, STATS = "meta/info.json", "meta/stats.json"

Damage = Callable[[Path], object]
DEEP = 100_000
LONG_NUMBER = "9" * 5000

CONTENT: dict[str, bytes] = {
    "empty": b"",
    "zeros": bytes(1000),
    "not UTF-8": b"\xff\xfe\x00{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"codebase_version": "v3.0"}'.encode("utf-16"),
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "null": b"null",
    "a list": b"[1, 2]",
    "a text": b'"info"',
    "NaN": b"NaN",
    "a long number": LONG_NUMBER.encode(),
    "a number beyond floats": b'{"fps": 1e999, "codebase_version": "v3.0", "features": {}}',
    "many empty lists": b"[" + b"[]," * 3_000_000 + b"[]]",
}
"""Wrong values for any document."""


def special(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with contextlib.chdir(path.parent) if hasattr(contextlib, "chdir") else contextlib.nullcontext():
            server = socket.socket(socket.AF_UNIX)
            server.bind(path.name)
            server.close()
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "unreadable":
        path.write_bytes(b"{}")
        path.chmod(0)


SPECIAL = ("pipe", "directory", "socket", "link to a device", "link to itself", "unreadable")


def in_info(*keys: str, value: Any) -> Damage:
    """Return a change of one value of info.json; a text that begins with ``raw:`` is written unquoted."""

    def damage(root: Path) -> None:
        path = root / INFO
        document = json.loads(path.read_text())
        inner = document
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        text = json.dumps(document)
        if isinstance(value, str) and value.startswith("raw:"):
            text = text.replace(json.dumps(value), value.removeprefix("raw:"))
        path.write_text(text)

    return damage


ODD = {
    "null": None,
    "negative": -1,
    "zero": 0,
    "huge": 10**400,
    "beyond 64 bits": 2**64,
    "a long number": f"raw:{LONG_NUMBER}",
    "NaN": "raw:NaN",
    "Infinity": "raw:Infinity",
    "1e999": "raw:1e999",
    "a fraction": 2.5,
    "true": True,
    "a text": "30",
    "a list": [30],
    "an object": {"a": 1},
    "deep": f"raw:{'[' * 300}{']' * 300}",
}
PLACES = (
    ("fps",),
    ("total_frames",),
    ("total_episodes",),
    ("chunks_size",),
    ("data_files_size_in_mb",),
    ("data_path",),
    ("video_path",),
    ("splits",),
    ("robot_type",),
    ("features",),
    ("features", LAPTOP),
    ("features", LAPTOP, "shape"),
    ("features", LAPTOP, "info"),
    ("features", LAPTOP, "info", "video.fps"),
    ("features", "action", "dtype"),
    ("features", "action", "names"),
)
SHAPES = {
    "many axes": [1] * 100_000,
    "large axes": [2**31, 2**31],
    "beyond 64 bits": [10**30],
    "a large camera": [10**9, 10**9, 3],
}


def column(name: str, of: str, values: Any, type_: pa.DataType | None = None) -> Damage:
    """Return a change of one table column; a function is called with the number of rows."""

    def damage(root: Path) -> None:
        table = pq.read_table(root / name)
        made = pa.array(values(len(table)) if callable(values) else [values] * len(table), type_)
        pq.write_table(table.set_column(table.column_names.index(of), of, made), root / name)

    return damage


ODD_COLUMNS: dict[str, tuple[Any, pa.DataType | None]] = {
    "decimals": (decimal.Decimal("1.5"), pa.decimal128(10, 2)),
    "times": (datetime.datetime(2020, 1, 1), pa.timestamp("us")),
    "a dictionary": (lambda n: pa.array(["a"] * n).dictionary_encode(), None),
    "numbers of a dictionary": (lambda n: pa.array([1] * n).dictionary_encode(), None),
    "lists of lists": ([[[1]]], pa.list_(pa.list_(pa.list_(pa.int64())))),
    "half floats": (np.float16(1), pa.float16()),
    "large texts": ("a", pa.large_string()),
    "bytes": (b"\xff", pa.binary()),
    "structs": ({"a": 1}, pa.struct([("a", pa.int64())])),
    "nothing": (None, pa.null()),
    "empty lists": ([], pa.list_(pa.int64())),
    "NaN": (float("nan"), pa.float64()),
    "infinity": (float("inf"), pa.float64()),
    "negative": (-(2**63), pa.int64()),
    "unsigned": (2**64 - 1, pa.uint64()),
    "truth": (True, pa.bool_()),
    "maps": ([("a", 1)], pa.map_(pa.string(), pa.int64())),
}
COLUMNS = {
    DATA: ("episode_index", "action", "timestamp", "task_index"),
    EPISODES: (
        *("episode_index", "length", "tasks", "data/file_index"),
        *(f"videos/{LAPTOP}/from_timestamp", f"videos/{LAPTOP}/file_index", "stats/action/mean", "stats/action/count"),
    ),
    TASKS: ("task_index", "task"),
}


MANY_ROWS = 80_000_000


def write_many_rows(directory: Path) -> None:
    """Write small files with many rows (a run of one value is stored once), before memory is limited."""
    for name, of in MANY.items():
        table = pa.table({of: pa.array(np.zeros(MANY_ROWS, np.int64))})
        pq.write_table(table, directory / f"many-{of}.parquet", row_group_size=MANY_ROWS)
        assert (directory / f"many-{of}.parquet").stat().st_size < 1 << 20, name


MANY = {DATA: "episode_index", EPISODES: "length", TASKS: "task_index"}


def many_rows(name: str) -> Damage:
    return lambda root: shutil.copy(root.parent / f"many-{MANY[name]}.parquet", root / name)


def footer_says(name: str, metadata: dict[str, bytes]) -> Damage:
    def damage(root: Path) -> None:
        table = pq.read_table(root / name)
        pq.write_table(table.replace_schema_metadata(metadata), root / name)

    return damage


def flipped(name: str, seed: int) -> Damage:
    def damage(root: Path) -> None:
        content = bytearray((root / name).read_bytes())
        chance = np.random.default_rng(seed)
        for at in chance.integers(max(0, len(content) - 3000), len(content), 5):
            content[at] ^= 1 << int(chance.integers(8))
        (root / name).write_bytes(content)

    return damage


def cases() -> Iterator[tuple[str, Damage]]:
    """Return every thirteenth case, or all with `FFENC_EVERY_CASE=1`."""
    yield from cases_of_files()
    yield from cases_of_info()
    yield from cases_of_tables()


def cases_of_files() -> Iterator[tuple[str, Damage]]:
    for name in (INFO, STATS, TASKS, EPISODES, DATA):
        for what, content in CONTENT.items():
            yield f"{name}: {what}", lambda root, n=name, c=content: (root / n).write_bytes(c)
    for name in (INFO, STATS, TASKS, EPISODES, DATA, VIDEO):
        for kind in SPECIAL:
            yield f"{name}: {kind}", lambda root, n=name, k=kind: special(root / n, k)


def cases_of_info() -> Iterator[tuple[str, Damage]]:
    for keys in PLACES:
        for what, value in ODD.items():
            yield f"{'.'.join(keys)}: {what}", in_info(*keys, value=value)
    for what, shape in SHAPES.items():
        for feature in ("action", LAPTOP):
            yield f"shape of {feature}: {what}", in_info("features", feature, "shape", value=shape)


def cases_of_tables() -> Iterator[tuple[str, Damage]]:
    for name, of in ((name, of) for name, columns in COLUMNS.items() for of in columns):
        for what, (values, type_) in ODD_COLUMNS.items():
            yield f"{of} of {name}: {what}", column(name, of, values, type_)
    footers = {"deep": "[" * DEEP, "a list": "[1]", "no text": "\0", "objects": '{"index_columns": [{}]}'}
    for name in (DATA, EPISODES, TASKS):
        for what, text in footers.items():
            metadata = {"pandas": text.encode(), "huggingface": text.encode()}
            yield f"metadata of {name}: {what}", footer_says(name, metadata)
        for seed in range(10):
            yield f"{name}: flipped {seed}", flipped(name, seed)
        yield f"{name}: many rows", many_rows(name)


def tree(root: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*"))


def check(words: list[str], name: str, problems: list[str]) -> int | None:
    """Run one command and record an unexpected ending."""

    def late(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_EACH)
    try:
        status = main(words)
    except BaseException:
        problems.append(f"{name}: {' '.join(words[:2])}: {traceback.format_exc()[-700:]}")
        return None
    finally:
        signal.alarm(0)
    if status not in (0, 1, 2):
        problems.append(f"{name}: {' '.join(words[:2])} ended with {status}")
    return status


def limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))


def try_datasets(directory: str, ffmpeg: str, step: str) -> None:
    """Run commands on a sample of the damaged datasets and print failures."""
    base, flag = Path(directory), f"--ffmpeg={ffmpeg}"
    good = copy_of("A", base)
    problems: list[str] = []
    with silenced(base / "said"):
        for words in (["verify", str(good), flag], ["preview", str(good), flag, f"--output={base / 'warm'}"]):
            check(words, "undamaged", problems)
        check(["merge", str(good), str(good), f"--output={base / 'warm-merged'}", flag], "undamaged", problems)
        write_many_rows(base)
        limit_memory()
        every = list(cases())
        many = [case for case in every if "many rows" in case[0]]
        for number, (name, damage) in enumerate([*every[:: int(step)], *many]):
            root = base / "bad"
            shutil.copytree(good, root)
            damage(root)
            before = tree(root)
            check(["info", str(root)], name, problems)
            check(["verify", str(root), "--level=metadata"], name, problems)
            check(["repair", str(root), "--dry-run", flag], name, problems)
            if number % 7 == 0:
                check(["verify", str(root), flag], name, problems)
            if number % 7 == 1:
                check(["preview", str(root), flag, "--columns=1", f"--output={base / 'sheets'}"], name, problems)
            merged = check(["merge", str(root), str(good), f"--output={base / 'merged'}", flag], name, problems)
            if merged != 0 and (base / "merged").exists():
                problems.append(f"{name}: merge left something")
            if tree(root) != before:
                problems.append(f"{name}: the dataset was changed")
            for path in (root, base / "merged", base / "sheets"):
                shutil.rmtree(path, ignore_errors=True)
    json.dump(problems, sys.stdout)


@contextlib.contextmanager
def silenced(said: Path) -> Iterator[None]:
    """Redirect the output of commands to a file."""
    kept = os.dup(1), os.dup(2)
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)


WORDS: dict[str, bytes] = {
    **CONTENT,
    "an alias of itself": b"camera_encoder: &a\n  vcodec: *a\n",
    "aliases of aliases": b"\n".join(
        [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        + [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)]
    ),
    "a merged alias": b"camera_encoder: &a {g: 2}\ndepth_encoder: {<<: *a}\n",
    "a key twice": b"camera_encoder:\n  g: 2\n  g: 3\n",
    "a Python object": b"camera_encoder: !!python/object/apply:os.system ['touch hacked']\n",
    "a tag": b"camera_encoder: !!binary aGFsbG8=\n",
    "a list for a key": b"? [1, 2]\n: 3\n",
    "a long number": b"camera_encoder: {g: " + LONG_NUMBER.encode() + b"}\n",
    "infinity": b"camera_encoder: {crf: .inf}\n",
    "a number beyond floats": b"camera_encoder: {crf: 1e999}\n",
    "negative": b"camera_encoder: {g: -1}\n",
    "truth": b"camera_encoder: {g: true}\n",
    "a text": b"camera_encoder: {g: many}\n",
    "a null": b"camera_encoder: null\n",
    "options of lists": b"camera_encoder: {extra_options: {bf: [[[1]]]}}\n",
    "options that are a text": b"camera_encoder: {extra_options: bf}\n",
    "a null character": b'camera_encoder: {vcodec: "a\\0b"}\n',
    "control characters": b"camera_encoder: \x01\x02\n",
    "a large file": b"# " + b"x" * (1 << 20),
    "itself": b"config: config.yaml\n",
    "many documents": b"---\na: 1\n---\nb: 2\n",
}
JOBS: dict[str, bytes] = {
    **CONTENT,
    "a line without end": b"x" * (40 << 20),
    "a job of wrong types": b'{"kind": 1, "inputs": {}, "output": [], "arguments": 7}\n',
    "a negative count": b'{"kind": "reencode", "inputs": ["/a"], "output": "/b", "frames_expected": -1}\n',
    "a fraction": b'{"kind": "reencode", "inputs": ["/a"], "output": "/b", "frames_expected": 1e999}\n',
    "a null character": b'{"kind": "reencode", "inputs": ["/a\\u0000"], "output": "/b"}\n',
    "lone surrogates": b'{"kind": "reencode", "inputs": ["/\\ud800"], "output": "/b"}\n',
    "deep arguments": b'{"kind": "reencode", "inputs": ["/a"], "output": "/b", "arguments": {"config": '
    + b"[" * 900
    + b"]" * 900
    + b"}}\n",
    "a device": b'{"kind": "reencode", "inputs": ["/dev/zero"], "output": "/b"}\n',
    "a pipe": b'{"kind": "reencode", "inputs": ["PIPE"], "output": "/b"}\n',
    "a directory": b'{"kind": "reencode", "inputs": ["/tmp"], "output": "/b"}\n',
    "a relative path": b'{"kind": "reencode", "inputs": ["a"], "output": "b"}\n',
}
CSV: dict[str, bytes] = {
    "empty": b"",
    "a null character": b"a\n\x00\n",
    "not UTF-8": b"\xff\xfe\n1\n",
    "infinity": b"a\ninf\n",
    "NaN": b"a\nnan\n",
    "1e999": b"a\n1e999\n",
    "a long number": b"a\n" + LONG_NUMBER.encode() + b"\n",
    "a text": b"a\nmany\n",
    "truth": b"a\ntrue\n",
    "times": b"a\n2020-01-01\n",
    "a column twice": b"a,a\n1,2\n",
    "missing values": b"a,b\n1\n",
    "no rows": b"a,b\n",
    "a quote without end": b'a\n"1\n' + b"x" * 100_000,
    "many columns": b",".join(b"c%d" % n for n in range(5000)) + b"\n",
    "a name of a path": b"../../a\n1\n",
}


def try_configurations(directory: str, ffmpeg: str) -> None:
    """Run commands with every malicious configuration, option, job list and table, and print failures."""
    base, flag = Path(directory), f"--ffmpeg={ffmpeg}"
    os.chdir(base)
    shutil.copy(copy_of("A", base) / VIDEO, "in.mp4")
    os.mkfifo("pipe")
    encode = ["encode", "in.mp4", "out.mp4", flag]
    commands = {
        "config.yaml": [*encode, "--config=config.yaml"],
        "jobs.jsonl": ["jobs", "status", "jobs.jsonl"],
        "table.csv": ["convert", "new", "in.mp4", flag, "--task=t", "--tables=table.csv", "--dry_run"],
    }
    contents = {"config.yaml": WORDS, "jobs.jsonl": JOBS, "table.csv": CSV}
    problems: list[str] = []
    with silenced(base / "said"):
        check([*encode, "--camera_encoder.vcodec=mpeg4"], "warm", problems)
        Path("out.mp4").unlink(missing_ok=True)
        before = {path.name for path in base.iterdir()}
        limit_memory()
        for file, words in commands.items():
            for name, content in contents[file].items():
                Path(file).write_bytes(content.replace(b"PIPE", str(base / "pipe").encode()))
                # Some say nothing of consequence, and the status of a job with a strange input is that it is missing.
                accepted = check(words, f"{file}: {name}", problems) == 0
                if accepted and name not in HARMLESS and file != "jobs.jsonl":
                    problems.append(f"{file}: {name}: accepted")
                Path("out.mp4").unlink(missing_ok=True)
            for kind in SPECIAL[:-1]:
                special(Path(file), kind)
                if check(words, f"{file}: {kind}", problems) == 0:
                    problems.append(f"{file}: {kind}: accepted")
                shutil.rmtree(file) if kind == "directory" else Path(file).unlink()
                Path(file).touch()
            Path(file).unlink()
        try_options(encode, problems)
    left = {path.name for path in base.iterdir()} - before
    if left:
        problems.append(f"something was written: {left}")
    json.dump(problems, sys.stdout)


def try_options(encode: list[str], problems: list[str]) -> None:
    """Pass the same contents as options, and the job lists to a driver."""
    for name, content in WORDS.items():
        text = content[:100_000].decode("utf-8", "replace").replace("\0", "")
        for option in ("camera_encoder.extra_options", "camera_encoder"):
            check([*encode, f"--{option}={text}"], f"{option}: {name}", problems)
            Path("out.mp4").unlink(missing_ok=True)
        record = ["record", f"--cameras={text}", "--dataset.repo_id=new", "--dataset.root=new", encode[-1]]
        check(record, f"cameras: {name}", problems)
    for name, content in JOBS.items():
        Path("jobs.jsonl").write_bytes(content.replace(b"PIPE", str(Path("pipe").absolute()).encode()))
        check(["jobs", "run", "jobs.jsonl", encode[-1]], f"jobs run: {name}", problems)
    Path("jobs.jsonl").unlink()


HARMLESS = ("empty", "null", "a byte order mark", "a large file", "many rows", "truth", "a null")


def test_every_command_handles_any_configuration(tmp_path: Path, binaries: Binaries) -> None:
    problems = json.loads(run_python(try_configurations, str(tmp_path), str(binaries.ffmpeg), timeout_s=280))
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(1800)
def test_every_command_handles_any_dataset(tmp_path: Path, binaries: Binaries) -> None:
    step = "1" if os.environ.get("FFENC_EVERY_CASE") else "13"
    problems = json.loads(run_python(try_datasets, str(tmp_path), str(binaries.ffmpeg), step, timeout_s=1700))
    assert not problems, "\n".join(problems)
