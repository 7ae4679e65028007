"""Run ffmpeg and ffprobe as child processes.

Read in this order:

- `ffmpeg_process.FFmpegProcess` is the one class that starts a child; everything else in ffenc goes through it.
- `managed_child.ManagedChild` owns a running child with its pipes and threads, and decides how all of it ends.
- `child` waits for one PID and kills it; `pipes` holds our ends of its pipes; `stderr` keeps its last lines.
- `progress` reads ``-progress``; `stall` decides from it when to give up; `priority` lowers the child's priority.
- `uninterrupted` protects a few steps from Ctrl-C.
"""
