"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.commands.dataset.flags import add_settings
from ffenc.cli.parsing.arguments import add_executor_flag, add_flag, add_output_flag, command
from ffenc.cli.parsing.values import count, positive, shard

_JOB_LIST = "job list, as `ffenc jobs plan` prints it"


@command("jobs plan [options] ROOT --work=DIR")
def plan(parser: ArgumentParser) -> None:
    """Print the jobs that re-encode a dataset, one JSON document per line.

    This is the input of `ffenc jobs run`. Nothing is encoded yet. The jobs write
    into the work directory, which must have the same path on all machines. When all
    jobs are done, `ffenc jobs commit DIR` assembles the dataset.

      ffenc jobs plan data/ --work=work/ --camera_encoder.crf=35 > jobs.jsonl
      ffenc jobs run jobs.jsonl --shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
      ffenc jobs commit work/ --output=smaller/
    """
    add_flag(parser, "root", Path, "directory of a dataset")
    work = "directory for the outputs of the jobs; created if missing"
    add_flag(parser, "--work", Path, work, required=True, metavar="DIR")
    add_settings(parser)


@command("jobs run [options] FILE")
def run(parser: ArgumentParser) -> None:
    """Run a list of jobs, one JSON document per line.

    A job whose output exists is skipped, so a stopped run continues when it is
    started again. A failed job does not stop the others.
    """
    add_flag(parser, "file", Path, _JOB_LIST)
    add_executor_flag(parser, note="; threads use all cores")
    add_flag(parser, "--shard", shard, "run only part I of N, counted from 1, for arrays of batch jobs", metavar="I/N")
    add_flag(parser, "--retries", count, "further attempts after ffmpeg died or a worker was lost", default=1)
    add_flag(parser, "--max_in_flight", positive, "jobs submitted at a time (default: 2 per worker)")
    mixed = "accept outputs of different FFmpeg builds (default: all jobs use the same build)"
    add_flag(parser, "--allow_mixed_builds", None, mixed)


@command("jobs status [options] FILE")
def status(parser: ArgumentParser) -> None:
    """Compare a job list with the files on disk; nothing is run.

    Prints the number of jobs in each state, and a line for each job that is not
    done.

    done      the output belongs to this job and its current inputs
    stale     the output is unfinished, or belongs to another job or other inputs;
              it is made again
    missing   the output does not exist
    foreign   a file exists that no job made; the job would be refused
    """
    add_flag(parser, "file", Path, _JOB_LIST)


@command("jobs commit [options] DIR [--output=OUTPUT]")
def commit(parser: ArgumentParser) -> None:
    """Assemble the dataset from the outputs of `ffenc jobs run`.

    All jobs of `ffenc jobs plan` must be done. Nothing is encoded.
    """
    add_flag(parser, "work", Path, "work directory of `ffenc jobs plan`", metavar="DIR")
    add_output_flag(parser, in_place="the videos are replaced in place")
