"""Refuse work on objects that belong to the process that forked this one."""

from __future__ import annotations

import os

from ffenc.errors import NotOwnerError


class Owner:
    """The process that created an object; a forked copy of the object has no threads, locks or encoders."""

    __slots__ = ("pid",)

    def __init__(self) -> None:
        self.pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """True in the process that created the object."""
        return os.getpid() == self.pid

    def check(self, what: object) -> None:
        """Refuse use in another process.

        Args:
            what: the object, for the message.

        Raises:
            NotOwnerError: this process was forked from the one that created the object.
        """
        if not self.is_here:
            raise NotOwnerError(
                f"{what} belongs to process {self.pid}, from which process {os.getpid()} was forked; use it in process "
                f"{self.pid}, or start workers with the 'spawn' method and open one in each",
                owner_pid=self.pid,
            )
