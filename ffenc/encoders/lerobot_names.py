"""The encoder that LeRobot uses by default, and the codec names that it stores. A config needs them without the rows."""

from __future__ import annotations

DEFAULT_ENCODER = "libsvtav1"
"""LeRobot's default encoder."""

# LeRobot stores the codec of the stream, not the encoder, and reads it back this way (configs/video.py).
_STORED_CODECS = {"av1": DEFAULT_ENCODER}


def encoder_for_stored_codec(codec: str) -> str:
    """Return the ``vcodec`` that ``video.codec`` of a dataset means."""
    return _STORED_CODECS.get(codec, codec)
