"""ffenc's own comparison with its peers: ``python benchmarks/encode.py [--quick] [--only SECTION]``; see `command`."""

ABOUT = """ffenc measured against its peers and against the limit that FFmpeg sets.

Only ffenc's public names are used.
"""

SECTIONS = {
    "write": "writing.run",
    "images": "files.images",
    "concat": "files.concat",
    "import": "startup.imports",
    "command": "startup.command_line",
    "probe": "startup.probe",
    "memory": "startup.memory",
}

if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main

    main(ABOUT, SECTIONS)
