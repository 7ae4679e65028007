"""FrameQueue returns frames unchanged and in order, and repeated calls change nothing."""

from __future__ import annotations

from queue import Empty

import numpy as np
import pytest

from ffenc.streaming.queueing import FrameQueue
from tests.stub_cameras import SHAPE, is_idle, stub_frame


def queue(maxsize: int = 3, history: int = 0) -> FrameQueue:
    return FrameQueue(SHAPE, np.dtype("uint8"), maxsize=maxsize, history=history)


def put(to: FrameQueue, number: int) -> bool:
    if not to.stage(stub_frame(number)):
        return False
    to.publish(to.published)
    return True


def take(of: FrameQueue) -> int | None:
    number = of.take(0)
    if number is None:
        return None
    content = int(of.frame(number)[0, 0, 0])
    of.release_before(number + 1)
    return content


def test_frames_come_out_in_order_and_are_copies() -> None:
    frames = queue()
    source = stub_frame(1)
    assert frames.stage(source)
    source[...] = 9
    frames.publish(frames.published)
    assert put(frames, 2)
    assert frames.depth == 2
    assert [take(frames), take(frames)] == [1, 2]
    assert frames.depth == 0


def test_staged_frame_is_invisible_until_published() -> None:
    frames = queue()
    frames.stage(stub_frame(1))
    assert frames.depth == 0
    with pytest.raises(Empty):
        frames.take(0)
    frames.publish(frames.published)
    assert take(frames) == 1


def test_staged_frame_can_be_replaced() -> None:
    frames = queue(maxsize=1)
    for number in range(5):
        assert frames.stage(stub_frame(number))
    assert frames.depth == 0
    assert put(frames, 7)
    assert take(frames) == 7


@pytest.mark.parametrize("is_taken_between", [False, True])
def test_publishing_a_number_again_changes_nothing(is_taken_between: bool) -> None:
    frames = queue(maxsize=2)
    assert frames.stage(stub_frame(1))
    frames.publish(0)
    taken = [take(frames)] if is_taken_between else []
    frames.publish(0)
    assert put(frames, 2)
    frames.publish(1)
    frames.end()
    frames.end()
    while (number := take(frames)) is not None:
        taken.append(number)
    assert taken == [1, 2]
    assert is_idle(frames)


def test_full_queue_refuses_frames_until_one_is_taken_and_released() -> None:
    frames = queue(maxsize=2)
    assert put(frames, 1)
    assert not frames.is_full
    assert put(frames, 2)
    assert frames.is_full
    assert not put(frames, 3)
    slot = frames.take(0)  # the one that is being written leaves room for another
    assert slot is not None
    assert not frames.is_full
    assert put(frames, 3)
    assert frames.is_full
    assert int(frames.frame(slot)[0, 0, 0]) == 1
    frames.release_before(slot + 1)
    assert [take(frames), take(frames)] == [2, 3]


def test_history_keeps_taken_frames() -> None:
    frames = queue(maxsize=1, history=2)
    held = []
    for number in range(4):  # two that are kept, one that is being written, one that waited
        assert put(frames, number)
        assert frames.is_full  # one may wait, however many slots there are
        held.append(frames.take(0))
    assert [int(frames.frame(slot)[0, 0, 0]) for slot in held if slot is not None] == [0, 1, 2, 3]
    assert frames.is_full  # nothing waits, but every slot is held
    assert not put(frames, 4)
    assert held[0] is not None
    frames.release_before(held[0] + 1)
    assert put(frames, 4)


def test_end_comes_after_the_last_frame() -> None:
    frames = queue()
    put(frames, 1)
    frames.end()
    assert [take(frames), take(frames)] == [1, None]


def test_depth_frames_keep_their_bits() -> None:
    frames = FrameQueue((2, 3), np.dtype("float32"), maxsize=1)
    depth = np.array([[np.nan, 0.5, -0.0], [np.inf, 1e-42, 3.25]], np.float32)
    frames.stage(depth)
    frames.publish(frames.published)
    slot = frames.take(0)
    assert slot is not None
    assert frames.frame(slot).tobytes() == depth.tobytes()
