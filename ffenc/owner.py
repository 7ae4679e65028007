"""Refuse work on objects that belong to the process that forked this one."""

from __future__ import annotations

import os

from ffenc.errors import NotOwnerError


class Owner:
    """The process that made an object; after ``os.fork`` the child's copy has no threads, locks or encoders."""

    __slots__ = ("pid",)

    def __init__(self) -> None:
        self.pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self.pid

    def check(self, what: object) -> None:
        """Refuse to use the object in another process.

        Args:
            what: the object, for the message.

        Raises:
            NotOwnerError: this process was forked from the one that made it.
        """
        if not self.is_here:
            raise NotOwnerError(
                f"{what} belongs to process {self.pid}, which this one (process {os.getpid()}) was forked from; use it there, or "
                "start workers with the 'spawn' method and let each open its own",
                owner_pid=self.pid,
            )
