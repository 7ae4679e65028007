"""Work for many cores or many machines: one ffmpeg job each, described as JSON."""
