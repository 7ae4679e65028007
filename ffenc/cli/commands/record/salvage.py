"""``ffenc salvage``: recover an interrupted recording as a video, or interrupted episodes of a dataset."""

from __future__ import annotations

from jsonargparse import Namespace
from rich.filesize import decimal
from rich.text import Text

from ffenc.cli.output.results import count_text, frames_text, pairs_table
from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import UsageError, binaries_of, call
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.storage.local_root import check_local
from ffenc.dataset.storage.lock import check_not_locked
from ffenc.errors import FFencError
from ffenc.video.salvage import salvage_video


def run(arguments: Namespace, screen: Screen) -> None:
    """Recover, and print the result."""
    check_local(arguments.path)
    if not arguments.path.is_dir():
        _salvage_file(arguments, screen)
        return
    given = [name for name in ("output", "fps", "audio") if arguments[name] is not None]
    if arguments.overwrite or given:
        names = ", ".join(f"--{name}" for name in (*given, *(["overwrite"] if arguments.overwrite else [])))
        raise UsageError(f"{arguments.path} is a dataset, whose episodes are appended to it; omit {names}")
    (_list_interrupted if arguments.dry_run else _salvage_dataset)(arguments, screen)


def _salvage_file(arguments: Namespace, screen: Screen) -> None:
    if arguments.dry_run:
        raise UsageError("--dry_run is for datasets; a recording is never changed")
    if arguments.follow_links:
        raise UsageError(f"--follow_links is for datasets, and {arguments.path} is not a folder; omit it")
    result = call(salvage_video, arguments)
    stream = result.stream
    rows = [
        ("video", f"{frames_text(result.frames)}, {stream.width}x{stream.height} at {result.fps} per second"),
        ("stream", f"{stream.codec}, {stream.pix_fmt}, copied"),
        *(("other stream", line) for line in result.other_streams),
        ("lost", f"{decimal(result.lost_bytes)} after the last complete frame"),
        ("kept", f"{result.source}; delete it when the video is right"),
    ]
    screen.result(result, pairs_table(rows, title=f"wrote {result.path}"))


def _list_interrupted(arguments: Namespace, screen: Screen) -> None:
    """List the interrupted episodes, without locking or changing anything."""
    from ffenc.dataset.recording.episode_directory import EpisodeDirectory
    from ffenc.dataset.recording.recover_episode import find_interrupted
    from ffenc.dataset.storage.dataset_tree import check_tree, resolve_root

    root = resolve_root(arguments.path)
    info = load_info(root)
    check_not_locked(root)
    check_tree(root, follow_links=arguments.follow_links, written=True)
    found: list[dict[str, object]] = [
        {"path": str(each.path), "rows": each.rows, "reason": each.reason} for each in find_interrupted(root, info)
    ]
    waiting = [{"path": str(each.path)} for each in EpisodeDirectory.committing_in(root)]
    document = {
        "root": str(arguments.path),
        "dry_run": True,
        "found": found,
        "unfinished": waiting,
        "episodes": info.total_episodes,
    }
    lines = [f"{each['path']}: {_outcome(each)}" for each in found]
    lines += [f"{each['path']}: its files are ready to be moved into place" for each in waiting]
    _show_episodes(screen, document, lines, title=f"{arguments.path}: {count_text(info.total_episodes, 'episode')}")


def _salvage_dataset(arguments: Namespace, screen: Screen) -> None:
    from ffenc.dataset.recording.recorder import DatasetRecorder

    root = arguments.path
    found: list[dict[str, object]] = []
    errors: list[FFencError] = []
    recorder = DatasetRecorder.resume(root, follow_links=arguments.follow_links, binaries=binaries_of(arguments))
    with recorder:
        for episode in recorder.interrupted:
            outcome: dict[str, object] = {"path": str(episode.path), "rows": episode.rows, "reason": episode.reason}
            found.append(outcome)
            try:
                summary = recorder.recover(episode)
            except FFencError as err:
                errors.append(err)
                outcome["error"] = str(err)
            else:
                outcome |= {"episode_index": summary.episode_index, "frames": summary.frames}
        recorder.finalize(pack=False)
    document = {"root": str(root), "dry_run": False, "found": found, "episodes": recorder.num_episodes}
    lines = [f"{each['path']}: {_outcome(each)}" for each in found]
    _show_episodes(screen, document, lines, title=f"{root}: {count_text(recorder.num_episodes, 'episode')}")
    if errors:
        raise errors[0]


def _show_episodes(screen: Screen, document: dict[str, object], lines: list[str], *, title: str) -> None:
    """Print a line for each interrupted episode; paths are too long for a column."""
    texts = [Text(visible(line), overflow="fold") for line in lines or ["no interrupted episode was found"]]
    screen.result(document, Text(visible(title), style="bold"), *texts)


def _outcome(found: dict[str, object]) -> str:
    left = f"{found['rows']} rows ({found['reason']})"
    if "episode_index" in found:
        return f"{left}: {found['frames']} frames are now episode {found['episode_index']}"
    return f"{left}: {found.get('error', 'run again without --dry_run to add it')}"
