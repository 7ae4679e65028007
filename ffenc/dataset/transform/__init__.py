"""Create new datasets from existing ones.

- `merge`, `edit`, `reencode`, `images_to_video`, `pack`, `upgrade`, `tasks`, `features`, `recompute_stats`: one module per
  operation (`reencode_plan` plans the jobs).
- `rewrite`: change the tables and keep the videos; `renamed`, `joined_rows`, `row_statistics`: parts of that.
- `companions`, `side_tables`: copy files such as README.md, and tables of other programs.
- `source`: open and check a source dataset; `compatibility`: compare the sources of a merge.
- `video_groups`, `write_tables`: write the videos and all other files of the new dataset.
- `in_place`: write the new form beside the dataset, or replace the dataset by it.
"""
