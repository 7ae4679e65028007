"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.commands.dataset.flags import add_settings
from ffenc.cli.parsing.arguments import add_output_flag, command_parser
from ffenc.cli.parsing.values import count, executor_name, positive, shard

_PLAN = """\
Print the jobs that re-encode a dataset, one JSON document per line, for
`ffenc jobs run`. Nothing is encoded yet. The jobs write into the work directory,
which must have the same path on all machines. When all jobs are done,
`ffenc jobs commit DIR` assembles the dataset.

  ffenc jobs plan data/ --work=work/ --camera_encoder.crf=35 > jobs.jsonl
  ffenc jobs run jobs.jsonl --shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  ffenc jobs commit work/ --output=smaller/"""


def plan() -> ArgumentParser:
    """Make the parser of ``ffenc jobs plan``."""
    parser = command_parser("jobs plan [options] ROOT --work=DIR", _PLAN)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        metavar="DIR",
        help="directory for the outputs of the jobs; created if missing",
    )
    add_settings(parser)
    return parser


_RUN = """\
Run a list of jobs, one JSON document per line. A job whose output exists is
skipped, so a stopped run continues when it is started again. A failed job does
not stop the others."""


def run() -> ArgumentParser:
    """Make the parser of ``ffenc jobs run``."""
    parser = command_parser("jobs run [options] FILE", _RUN)
    parser.add_argument("file", type=Path, metavar="FILE", help="job list, as `ffenc jobs plan` prints it")
    parser.add_argument(
        "--executor",
        type=executor_name,
        default="threads",
        metavar="NAME",
        help="threads, processes or dask, also with a number of workers (threads:4), or dask://host:port "
        "(default: %(default)s, enough to use all cores)",
    )
    parser.add_argument(
        "--shard", type=shard, metavar="I/N", help="run only part I of N, counted from 1, for arrays of batch jobs"
    )
    parser.add_argument(
        "--retries",
        type=count,
        default=1,
        metavar="N",
        help="further attempts after ffmpeg died or a worker was lost (default: %(default)s)",
    )
    parser.add_argument(
        "--max_in_flight", type=positive, metavar="N", help="jobs submitted at a time (default: 2 per worker)"
    )
    parser.add_argument(
        "--allow_mixed_builds",
        action="store_true",
        help="accept outputs of different FFmpeg builds (default: all jobs use the same build)",
    )
    return parser


_STATUS = """\
Compare a job list with the files on disk; nothing is run. Prints the number of
jobs in each state, and a line for each job that is not done.

done      the output belongs to this job and its current inputs
stale     the output is unfinished, or belongs to another job or other inputs;
          it is made again
missing   there is no output
foreign   a file exists that no job made; the job would be refused"""


def status() -> ArgumentParser:
    """Make the parser of ``ffenc jobs status``."""
    parser = command_parser("jobs status [options] FILE", _STATUS)
    parser.add_argument("file", type=Path, metavar="FILE", help="job list, as `ffenc jobs plan` prints it")
    return parser


_COMMIT = """\
Assemble the dataset from the outputs of `ffenc jobs run`: a new dataset, or in
place without --output. All jobs of `ffenc jobs plan` must be done. Nothing is
encoded."""


def commit() -> ArgumentParser:
    """Make the parser of ``ffenc jobs commit``."""
    parser = command_parser("jobs commit [options] DIR [--output=OUTPUT]", _COMMIT)
    parser.add_argument("work", type=Path, metavar="DIR", help="work directory of `ffenc jobs plan`")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it, the videos are replaced in place"
    )
    return parser
