"""The rows say all that the functions take."""

from __future__ import annotations

import inspect

import pytest

from ffenc.jobs.kinds import KINDS

# The driver's or the worker's business, not the job's.
NOT_SAID = {"overwrite", "binaries", "progress", "stall_timeout_s"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_the_function_can_be_said_in_a_job(kind: str) -> None:
    row = KINDS[kind]
    options = list(inspect.signature(row.function).parameters)[2:]
    assert set(row.arguments.model_fields) - {"depth_config"} == set(options) - NOT_SAID
