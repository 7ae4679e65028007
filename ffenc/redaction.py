"""Hide passwords, tokens and keys in text that is printed, logged or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HIDDEN = "***"

# FFmpeg takes the last @ before a slash as the end of the password.  A password with an unescaped slash or space is hidden
# too, although FFmpeg cannot use it.  Digits after the colon are a port.
_IN_URL = re.compile(
    r"(?P<kept>[a-z][a-z0-9+.-]*:/{1,3}[^\s'\"/?#:@\[]*:)(?!\d+(?:[/?#\s'\"]|$))(?:\S*@|[^@\n]*@)", re.IGNORECASE
)
_IN_QUERY = re.compile(
    r"(?P<kept>[?&;][\w.-]*(?:pass|pwd|psw|token|secret|key|auth|credential|signature|loginpas|sig(?==))[\w.-]*="
    # Recorders of one make have the password in the path: /user=admin_password=x_channel=1
    r"|[/_&](?:password|passwd)=)[^&;#\s'\"]*",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<kept>\b(?:(?:proxy-)?authorization|cookie|x-[\w-]*(?:key|token|auth)[\w-]*)\s*:\s*)[^'\"\r\n]*", re.IGNORECASE
)
_NAMES = (
    r"[\w-]*(?:passw|passphrase|pass_phrase|token|secret|credential|cookies|(?:api|access|crypto|cryption)_?key)[\w-]*"
)
# A setting in the value of --cameras.
_SETTING = re.compile(rf"(?P<kept>[{{,]\s*['\"]?{_NAMES}['\"]?\s*:\s*)(?:\"[^\"]*\"|'[^']*'|[^,}}\s]+)", re.IGNORECASE)
_OPTION = re.compile(rf"-(?:headers|{_NAMES})", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return text with ``***`` instead of passwords.

    Covers ``scheme://user:password@host``, query parameters such as ``?token=``, HTTP headers such as ``Authorization:``, and
    settings such as ``{passphrase: x}``.
    """
    text = _IN_URL.sub(rf"\g<kept>{_HIDDEN}@", text)
    for pattern in (_IN_QUERY, _HEADER, _SETTING):
        text = pattern.sub(rf"\g<kept>{_HIDDEN}", text)
    return text


def redacted_words(words: Iterable[str]) -> tuple[str, ...]:
    """Return a command with `redacted` words, and without the values of options such as ``-headers``."""
    shown: list[str] = []
    is_secret = False
    for word in words:
        shown.append(_HIDDEN if is_secret else redacted(word))
        is_secret = _OPTION.fullmatch(word) is not None
    return tuple(shown)
