"""``python -m ffenc``."""

from __future__ import annotations

import sys

from ffenc.cli.main import main

sys.exit(main())
