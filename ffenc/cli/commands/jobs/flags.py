"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.commands.dataset.flags import add_settings
from ffenc.cli.parsing.arguments import add_output_flag, command_parser
from ffenc.cli.parsing.values import count, executor_name, positive, shard

_PLAN = """\
Print the jobs that re-encoding a dataset comes to, one JSON document in each
line, for `ffenc jobs run`; nothing is encoded yet. They write into the work
directory, which all machines must see under the same name. When all are done,
`ffenc jobs commit DIR` puts the dataset together.

  ffenc jobs plan data/ --work=work/ --camera_encoder.crf=35 > jobs.jsonl
  ffenc jobs run jobs.jsonl --shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  ffenc jobs commit work/ --output=smaller/"""


def plan() -> ArgumentParser:
    """Make the parser of ``ffenc jobs plan``."""
    parser = command_parser("jobs plan [options] ROOT --work=DIR", _PLAN)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="DIR", help="where the jobs write; created if need be"
    )
    add_settings(parser)
    return parser


_RUN = """\
Run the jobs of a file, one JSON document in each line. A job whose output is
there already is skipped, so a run that was stopped goes on where it was when
it is started again. A job that fails does not stop the others."""


def run() -> ArgumentParser:
    """Make the parser of ``ffenc jobs run``."""
    parser = command_parser("jobs run [options] FILE", _RUN)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="one job in each line, as `ffenc jobs plan` prints them"
    )
    parser.add_argument(
        "--executor",
        type=executor_name,
        default="threads",
        metavar="NAME",
        help="threads, processes or dask, also with a number of workers (threads:4), or dask://host:port "
        "(default: %(default)s, as many as keep the cores busy)",
    )
    parser.add_argument(
        "--shard", type=shard, metavar="I/N", help="only part I of N, counted from 1, as in an array of batch jobs"
    )
    parser.add_argument(
        "--retries",
        type=count,
        default=1,
        metavar="N",
        help="further attempts where ffmpeg died or a worker was lost (default: %(default)s)",
    )
    parser.add_argument(
        "--max_in_flight", type=positive, metavar="N", help="jobs handed out at a time (default: 2 for each worker)"
    )
    parser.add_argument(
        "--allow_mixed_builds",
        action="store_true",
        help="accept outputs of different FFmpeg builds (default: one build for all jobs of a list)",
    )
    return parser


_STATUS = """\
Compare the jobs of a file with what lies on the disk; nothing is run. Prints
how many jobs are in which state, and a line for each that is not done.

done      the output is that of this job and of its inputs as they are now
stale     it is of another job or of other inputs, or unfinished; made again
missing   there is no output
foreign   a file that no job made has the name; the job would be refused"""


def status() -> ArgumentParser:
    """Make the parser of ``ffenc jobs status``."""
    parser = command_parser("jobs status [options] FILE", _STATUS)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="one job in each line, as `ffenc jobs plan` prints them"
    )
    return parser


_COMMIT = """\
Put together the dataset whose jobs `ffenc jobs plan` printed and `ffenc jobs
run` ran, into a new dataset or, without --output, in place. It is refused as
long as a job is not done. Nothing is encoded here."""


def commit() -> ArgumentParser:
    """Make the parser of ``ffenc jobs commit``."""
    parser = command_parser("jobs commit [options] DIR [--output=OUTPUT]", _COMMIT)
    parser.add_argument("work", type=Path, metavar="DIR", help="the work directory of `ffenc jobs plan`")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it the videos are replaced in place"
    )
    return parser
