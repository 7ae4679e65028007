"""Read MP4 files without starting a process: boxes, sample tables, fragments."""
