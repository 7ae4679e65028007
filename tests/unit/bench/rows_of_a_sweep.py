"""Rows as a sweep writes them, for whoever reads rows."""

from __future__ import annotations

from typing import Any


def row(**changes: Any) -> dict[str, Any]:
    """A row of libx264 at 64x48; ``crf``, ``g``, ``encoder``, ``ssim``, ``size_bytes`` and ``key`` may be given directly."""
    config = {"preset": "fast", "g": 2, "crf": 30, "pix_fmt": "yuv420p", "fast_decode": 0, "extra_options": {}}
    config |= {name: changes.pop(name) for name in ("crf", "g", "preset") if name in changes}
    quality = {"psnr_db": 40.0, "ssim": changes.pop("ssim", 0.9), "vmaf": None}
    made = {
        "key": f"{changes.get('encoder', 'libx264')}-{config['crf']}-{config['g']}",
        "status": "done",
        "source": {"name": "scene", "width": 64, "height": 48, "fps": "30", "frames": 60, "layout": "rgb", "digest": "s",
                   "raw_bytes": 552960},
        "ffmpeg": {"version": "9.0", "digest": "f"},
        "machine": {"processor": "2 x fast"},
        "fields": {"vcodec": "h264"},
        "config": config,
        "encoder": "libx264",
        "encoder_threads": None,
        "cameras": 1,
        "size_bytes": 1000,
        "png_bytes": 4000,
        "png_load_ms": 2.0,
        "quality": quality,
        "timing": [{"at": f"2026-01-0{n}", "realtime": n, "cpu_ms_per_frame": 2.0 * n, "load": 0.1} for n in (1, 3, 2)],
        "reading": {"ffmpeg": {"6_frames": {"times_ms": [12.0, 24.0], "frames_per_request": 6, "decoded_per_wanted": 1.0,
                                            "wrong": 0}}},
        "rounds": 3,
    }  # fmt: skip
    return made | changes
