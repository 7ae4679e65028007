"""Run LeRobot on ffenc: its recorder and dataset tools encode, join and measure videos through FFmpeg subprocesses.

Example::

    import ffenc.lerobot

    ffenc.lerobot.install()  # before or after LeRobot is imported
    print(ffenc.lerobot.status())
    ...
    ffenc.lerobot.uninstall()

``ffenc lerobot record ...`` installs ffenc and then runs LeRobot's own command.
"""

from __future__ import annotations

from ffenc.lerobot.installation import Status, install, status, uninstall

__all__ = ["Status", "install", "status", "uninstall"]
