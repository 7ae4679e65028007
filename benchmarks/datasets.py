"""Merge and edit datasets, compared with remuxing and re-encoding: ``python benchmarks/datasets.py [--quick]``; see `command`."""

ABOUT = """Datasets merged, cut, re-encoded and verified, measured against PyAV's remux and against encoding what is kept.
"""

SECTIONS = {
    "merge": "merging.files",
    "episodes": "merging.episodes",
    "delete": "deleting.run",
    "jobs": "jobs.run",
    "verify": "verifying.run",
    "metadata": "verifying.metadata",
}

if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main

    main(ABOUT, SECTIONS)
