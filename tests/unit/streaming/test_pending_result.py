"""A pending result returns its result, and its error is raised exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ffenc.errors import ErrorGroup, RecordingError
from ffenc.streaming.pending_result import PendingResult, one_error


def error(camera: str = "laptop") -> RecordingError:
    return RecordingError(f"camera {camera!r} failed", camera=camera, frames=3)


def raising(err: Exception) -> Callable[[], int]:
    def work() -> int:
        raise err

    return work


def test_wait_returns_the_result_of_another_thread() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    assert not pending.done()
    assert repr(pending) == "<episode 3 is running>"
    threading.Timer(0.02, pending.run, [lambda: 7]).start()
    assert pending.wait(10) == 7
    assert pending.wait() == 7
    assert pending.done()
    assert pending.error() is None
    assert pending.unseen_error() is None
    assert repr(pending) == "<episode 3 is complete>"


def test_wait_that_timed_out_can_be_repeated() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    with pytest.raises(TimeoutError, match=r"episode 3 is not complete after 0\.001 s"):
        pending.wait(0.001)
    assert not pending.settle(0.001)
    pending.run(lambda: 1)
    assert pending.settle(0)
    assert pending.wait(0) == 1


def test_unseen_error_is_returned_once() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    assert pending.unseen_error() is None
    failed = error()
    pending.run(raising(failed))
    assert pending.settle(0)  # a settled pending was not looked at
    assert pending.unseen_error() is failed
    assert pending.unseen_error() is None
    assert repr(pending) == "<episode 3 failed>"


def test_error_raised_by_wait_is_seen() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    failed = error()
    pending.run(raising(failed))
    for _ in range(2):
        with pytest.raises(RecordingError) as caught:
            pending.wait()
        assert caught.value is failed
    assert pending.unseen_error() is None


def test_error_that_was_read_is_seen() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    assert pending.error() is None
    failed = error()
    pending.run(raising(failed))
    assert pending.error() is failed
    assert pending.unseen_error() is None


def test_error_raised_elsewhere_is_seen() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    pending.run(raising(error()), is_seen=True)
    assert pending.unseen_error() is None
    with pytest.raises(RecordingError):
        pending.wait()


def test_run_ends_with_the_result_or_error_of_the_work() -> None:
    good: PendingResult[str] = PendingResult("good")
    good.run(lambda: "done")
    assert good.wait(0) == "done"
    bad: PendingResult[str] = PendingResult("bad")
    bad.run(lambda: str(1 / 0))
    with pytest.raises(ZeroDivisionError):
        bad.wait(0)


def test_one_error_is_returned_itself() -> None:
    failed = error()
    assert one_error("1 camera failed", [failed]) is failed


def test_several_errors_are_a_group() -> None:
    both = [error("laptop"), error("wrist")]
    group = one_error("2 cameras failed", both)
    assert isinstance(group, ErrorGroup)
    assert list(group.exceptions) == both
    assert "2 cameras failed" in str(group)


def test_base_exception_comes_first() -> None:
    stop = KeyboardInterrupt()
    assert one_error("several", [error(), stop, error()]) is stop


def test_error_that_was_handed_over_is_raised_by_wait_alone() -> None:
    pending: PendingResult[int] = PendingResult("episode 3")
    pending.hand_over()
    pending.run(raising(error()))
    assert pending.unseen_error() is None
    with pytest.raises(RecordingError):
        pending.wait(0)
