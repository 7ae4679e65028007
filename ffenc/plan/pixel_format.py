"""Read bit depth and alpha from the name of a pixel format; FFmpeg before 5 lists neither."""

from __future__ import annotations

import re

_ALPHA = re.compile(r"^(yuva|ya\d|rgba|bgra|argb|abgr|gbrap|ayuv|vuya$|uyva|pal8)")
_BITS = re.compile(r"(?:p|gray|ya|gbrp|gbrap)(9|10|12|14|16)(?:le|be|msb)")


def bit_depth(pix_fmt: str) -> int:
    """Return the bits of one sample: 10 for ``yuv420p10le``, 8 if the name has no number."""
    found = _BITS.search(pix_fmt) or re.match(r"p\d(10|12|16)(?:le|be)$", pix_fmt)
    return int(found[1]) if found else 8


def has_alpha(pix_fmt: str) -> bool:
    """Return whether a pixel format has an alpha channel."""
    return bool(_ALPHA.match(pix_fmt))
