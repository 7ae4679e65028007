"""``ffenc card``: write the card of a dataset."""

from __future__ import annotations

from jsonargparse import Namespace
from rich.text import Text

from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import UsageError, call
from ffenc.dataset.card import PLACEHOLDER, dataset_card
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> None:
    """Write the card, and print the names of the files."""
    try:
        card = call(dataset_card, arguments)
    except ValueError as err:
        raise UsageError(f"--{err}") from err
    if arguments.repo_id is None:
        screen.note(
            f"the card has the placeholder {PLACEHOLDER}, because a dataset does not record its name on the Hub; "
            "name it with --repo_id=OWNER/NAME"
        )
    lines = [f"wrote {path}" for path in (card.path, card.sheet) if path is not None]
    if card.sheet is None:
        lines.append(f"no contact sheet: {card.why_no_sheet}")
    screen.result(as_json(card), Text(visible("\n".join(lines))))
