"""Handle: an outcome that cannot be missed, and an error that comes out once."""

from __future__ import annotations

import threading

import pytest

from ffenc.errors import RecordingError
from ffenc.streaming.pending_result import PendingResult, one_error


def error(camera: str = "laptop") -> RecordingError:
    return RecordingError(f"camera {camera!r} failed", camera=camera, frames=3)


def test_it_waits_for_what_another_thread_completes() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    assert not handle.done()
    assert repr(handle) == "<episode 3 is running>"
    threading.Timer(0.02, handle.complete, [7]).start()
    assert handle.wait(10) == 7
    assert handle.wait() == 7
    assert handle.done()
    assert handle.error() is None
    assert handle.unseen_error() is None
    assert repr(handle) == "<episode 3 is complete>"


def test_a_wait_that_is_over_says_what_goes_on_and_can_be_repeated() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    with pytest.raises(TimeoutError, match=r"episode 3 is not complete after 0\.001 s"):
        handle.wait(0.001)
    assert not handle.settle(0.001)
    handle.complete(1)
    assert handle.settle(0)
    assert handle.wait(0) == 1


def test_an_error_that_nobody_saw_comes_out_once() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    assert handle.unseen_error() is None
    failed = error()
    handle.fail(failed)
    assert handle.settle(0)  # a settled handle was not looked at
    assert handle.unseen_error() is failed
    assert handle.unseen_error() is None
    assert repr(handle) == "<episode 3 failed>"


def test_waiting_for_an_error_is_seeing_it() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    failed = error()
    handle.fail(failed)
    for _ in range(2):
        with pytest.raises(RecordingError) as caught:
            handle.wait()
        assert caught.value is failed
    assert handle.unseen_error() is None


def test_looking_at_an_error_is_seeing_it() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    assert handle.error() is None
    failed = error()
    handle.fail(failed)
    assert handle.error() is failed
    assert handle.unseen_error() is None


def test_an_error_that_was_told_before_is_not_unseen() -> None:
    handle: PendingResult[int] = PendingResult("episode 3")
    handle.fail(error(), is_seen=True)
    assert handle.unseen_error() is None
    with pytest.raises(RecordingError):
        handle.wait()


def test_it_ends_with_what_work_returns_or_raises() -> None:
    good: PendingResult[str] = PendingResult("good")
    good.run(lambda: "done")
    assert good.wait(0) == "done"
    bad: PendingResult[str] = PendingResult("bad")
    bad.run(lambda: str(1 / 0))
    with pytest.raises(ZeroDivisionError):
        bad.wait(0)


def test_one_error_is_itself() -> None:
    failed = error()
    assert one_error("1 camera failed", [failed]) is failed


def test_several_errors_are_a_group() -> None:
    both = [error("laptop"), error("wrist")]
    group = one_error("2 cameras failed", both)
    # The builtin, or where there is none that of the package of the same name.
    assert type(group).__name__ == "ExceptionGroup"
    assert isinstance(group, Exception)
    assert list(group.exceptions) == both  # type: ignore[attr-defined]
    assert "2 cameras failed" in str(group)


def test_what_is_no_ordinary_exception_goes_first() -> None:
    stop = KeyboardInterrupt()
    assert one_error("several", [error(), stop, error()]) is stop
