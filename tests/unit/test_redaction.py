"""Passwords are hidden in every text that leaves: messages, commands, logs, reprs; host, port and path stay readable."""

from __future__ import annotations

import io
import logging
import pickle
import shlex

import pytest
from rich.console import Console

from ffenc.cli.commands.record.cameras import FFmpegCamera, OpenCVCameraSettings, parse_cameras
from ffenc.cli.output.logs import logging_to
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError
from ffenc.errors import CameraFormatError, CameraUnavailableError, ErrorGroup, ProcessDiedError
from ffenc.plan.capture import LiveSource, plan_capture
from ffenc.redaction import redacted, redacted_words
from ffenc.video.capture import CameraSource

HIDDEN = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"rtsp://admin:{HIDDEN}@10.0.0.7:554/live", "rtsp://admin:***@10.0.0.7:554/live"),
        (f"rtsp://:{HIDDEN}@10.0.0.7/live", "rtsp://:***@10.0.0.7/live"),
        (f"RTSPS://admin:{HIDDEN}@[fe80::1]:554/live", "RTSPS://admin:***@[fe80::1]:554/live"),
        (f"rtsp://admin:a@{HIDDEN}@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        (f"rtsp://admin:a/{HIDDEN}@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        (f"rtsp://admin:a'{HIDDEN}@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        (f"rtsp://admin:a {HIDDEN}@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        (f"rtsp://admin:1234{HIDDEN}@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        ("rtsp://admin:1234@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        (f"http:/admin:{HIDDEN}@10.0.0.7/live", "http:/admin:***@10.0.0.7/live"),
        (f"tls_verify=0 async:http://admin:{HIDDEN}@h/a", "tls_verify=0 async:http://admin:***@h/a"),
        (f"from 'rtsp://a:{HIDDEN}@h/x': refused", "from 'rtsp://a:***@h/x': refused"),
        (f"http://h/video?user=admin&password={HIDDEN}&channel=1", "http://h/video?user=admin&password=***&channel=1"),
        (f"http://h/v?token={HIDDEN}: refused", "http://h/v?token=*** refused"),
        (f"http://h/v?loginuse=admin&loginpas={HIDDEN}", "http://h/v?loginuse=admin&loginpas=***"),
        (f"http://h/v?usr=admin&pwd={HIDDEN}#top", "http://h/v?usr=admin&pwd=***#top"),
        (f"http://h/v?api_key={HIDDEN}&w=4", "http://h/v?api_key=***&w=4"),
        (f"http://h/v?X-Amz-Signature={HIDDEN}", "http://h/v?X-Amz-Signature=***"),
        (f"srt://h:9000?mode=caller&passphrase={HIDDEN}", "srt://h:9000?mode=caller&passphrase=***"),
        (
            f"rtsp://h:554/user=admin&password={HIDDEN}&channel=1.sdp",
            "rtsp://h:554/user=admin&password=***&channel=1.sdp",
        ),
        (f"rtsp://h/user=admin_password={HIDDEN}_channel=1.sdp?a", "rtsp://h/user=admin_password=***"),
        (f"Authorization: Basic {HIDDEN}", "Authorization: ***"),
        (f"{{headers: 'Authorization: Digest a, b={HIDDEN}', x: 1}}", "{headers: 'Authorization: ***', x: 1}"),
        (f"options: {{passphrase: {HIDDEN}, latency: 2}}", "options: {passphrase: ***, latency: 2}"),
        # Nothing to hide.
        ("rtsp://admin@10.0.0.7/live", "rtsp://admin@10.0.0.7/live"),
        ("http://10.0.0.7:8080/live@2x", "http://10.0.0.7:8080/live@2x"),
        ("rtsp://[fe80::1]:554/live@2x", "rtsp://[fe80::1]:554/live@2x"),
        ("the password is wrong: ask me@example.org", "the password is wrong: ask me@example.org"),
        ("-force_key_frames expr:1 -x264-params keyint=2", "-force_key_frames expr:1 -x264-params keyint=2"),
    ],
)
def test_text(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize("option", ["headers", "cookies", "passphrase", "srt_passphrase", "http_token", "cryptokey"])
def test_values_of_options(option: str) -> None:
    shown = redacted_words(["ffmpeg", f"-{option}", HIDDEN, "-i", "x"])
    assert HIDDEN not in shown
    assert len(shown) == 5


URLS = (
    f"rtsp://admin:{HIDDEN}@127.0.0.1:9/live",
    f"http://127.0.0.1:9/?token={HIDDEN}",
    f"http://127.0.0.1:9/user=admin_password={HIDDEN}",
)


@pytest.mark.parametrize("url", URLS)
def test_every_view_of_a_source(url: str) -> None:
    source = LiveSource(source=url, options={"headers": f"Authorization: Basic {HIDDEN}", "passphrase": HIDDEN})
    error = CameraUnavailableError(f"camera {url} failed", source=url)
    died = ProcessDiedError(f"{url} died", argv=plan_capture("ffmpeg", source), stderr_tail=f"Input #0, from '{url}':")
    shown = (
        str(source),
        repr(source),
        repr(CameraSource(source)),
        CameraSource(source).name,
        repr(FFmpegCamera(type="ffmpeg", source=url, options={"passphrase": HIDDEN})),
        repr(OpenCVCameraSettings(type="opencv", index_or_path=url)),
        *(str(each) + repr(each) + repr(vars(each)) for each in (error, died, pickle.loads(pickle.dumps(died)))),
        str(ErrorGroup(f"{url} and others failed", [error])),
        str(CameraFormatError("wrong", source=url, asked=url, came=url).__dict__),
    )
    assert [text for text in shown if HIDDEN in text] == []
    assert url in plan_capture("ffmpeg", source), "the camera itself needs the password"


@pytest.mark.parametrize("url", URLS)
def test_everything_the_command_line_prints(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    screen = Screen(out=Console(file=printed), err=Console(file=printed), as_json=False)
    screen.note(f"read as: {shlex.join(['ffenc', 'record', '--cameras={a: {source: ' + url + '}}'])}")
    screen.failure("ffenc record", f"--cameras: {url!r} is wrong")
    with logging_to(screen.err, verbose=True):
        logging.getLogger("ffenc.video").debug("opening %s", url)
    for settings in ({"type": "ffmpeg", "source": url, "loop": True}, {"type": "ffmpeg", "source": url, "sauce": url}):
        with pytest.raises(UsageError) as refused:
            parse_cameras({"a": settings})
        screen.failure("ffenc record", str(refused.value))
    assert "127.0.0.1" in printed.getvalue()
    assert HIDDEN not in printed.getvalue().replace("\n", "")
