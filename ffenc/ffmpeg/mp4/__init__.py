"""Read MP4 files without starting a process.

`boxes` walks the boxes of a file.  `sample_tables` reads every frame's time from the index of a regular file.  `fragments`
finds the complete fragments of a recording, which may still be growing.
"""
