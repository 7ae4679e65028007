"""LeRobot v3.0 on disk: read and write its documents, tables and paths.

- `schema`, `documents`: ``meta/info.json`` and ``meta/stats.json``.
- `layout`, `paths`: where the files of a dataset are.
- `dataset_tables`: data files, episodes and tasks; `frame_columns` and `episode_columns` define their columns, and
  `parquet_series` reads and writes the files.
- `video_info`, `camera_frames`: the ``info`` block of a camera, and its decoded frames.
- `provenance`, `frame_ties`: what ffenc stores in ``meta/ffenc`` about each episode.
"""
