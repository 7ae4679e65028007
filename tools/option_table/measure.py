"""Encode with and without an option and compare."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.option_effects import acts
from ffenc.encoders.spec import EncoderSpec
from ffenc.errors import CapabilityError, ProcessTimeoutError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames, color_filters
from ffenc.plan.frame_checks import color_range, has_matrix
from ffenc.plan.graph import Input, ffmpeg_argv
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from tools.option_table.clips import CLIPS
from tools.option_table.contexts import CONTEXTS, Context
from tools.option_table.reports import svt_settings, x26x_settings

TIMEOUT_S = 60.0
# Options that are tried at once where none of them did anything in the first context.
MOST_AT_ONCE = 8

# Where options are tried that the encoder's row says are never read, to see whether that is right.
_FEW_CONTEXTS = frozenset({"base", "slow", "rate", "rate+vbv", "no mbtree", "no cutree"})

# x265 reports the first as a switch and the others as fractions.
_REPORTED_OTHERWISE = frozenset({"chromaloc", "rskip-edge-threshold", "scenecut-bias"})

# Options of which nothing can be said from a stream that stays the same.
_UNCLEAR = frozenset(
    {
        # They change speed, not the stream.
        "row-mt",
        "x265-params:lookahead-threads",
        "x265-params:pme",
        "x265-params:pmode",
        # Taken to act on longer clips than are tried here.
        "rav1e-params:rdo_lookahead_frames",
        "svtav1-params:sframe-mode",
        # For real time at a constant bit rate, from 320x180 on.
        "noise-sensitivity",
        "aom-params:noise-sensitivity",
        # For pixels that are floating point numbers.
        "remap_mode",
        "remap_optimizer",
    }
)

# How x264 and x265 report an option that they may cut, where the name is another one.
_REPORTED_AS: Mapping[str, Mapping[str, str]] = {
    "libx264": {
        "bf": "bframes", "refs": "ref", "me_range": "me_range", "qmin": "qpmin", "qmax": "qpmax", "qdiff": "qpstep",
        "qcomp": "qcomp", "subq": "subme", "keyint_min": "keyint_min", "trellis": "trellis", "slices": "slices",
        "rc-lookahead": "rc_lookahead", "weightp": "weightp", "b_strategy": "b_adapt", "b-bias": "b_bias",
        "noise_reduction": "nr", "sc_threshold": "scenecut", "slice-max-size": "slice_max_size", "8x8dct": "8x8dct",
        "mbtree": "mbtree", "mixed-refs": "mixed_refs", "fast-pskip": "fast_pskip", "weightb": "weightb", "psy": "psy",
        "x264-params:bframes": "bframes", "x264-params:ref": "ref", "x264-params:merange": "me_range",
        "x264-params:qpmin": "qpmin", "x264-params:qpmax": "qpmax", "x264-params:qpstep": "qpstep",
        "x264-params:qcomp": "qcomp", "x264-params:subme": "subme", "x264-params:min-keyint": "keyint_min",
        "x264-params:trellis": "trellis", "x264-params:slices": "slices", "x264-params:rc-lookahead": "rc_lookahead",
        "x264-params:weightp": "weightp", "x264-params:b-adapt": "b_adapt", "x264-params:b-bias": "b_bias",
        "x264-params:nr": "nr", "x264-params:scenecut": "scenecut", "x264-params:slice-max-size": "slice_max_size",
        "x264-params:slice-max-mbs": "slice_max_mbs", "x264-params:slices-max": "slices_max",
        "x264-params:lookahead-threads": "lookahead_threads", "x264-params:8x8dct": "8x8dct",
        "x264-params:mbtree": "mbtree", "x264-params:mixed-refs": "mixed_refs", "x264-params:weightb": "weightb",
        "x264-params:ipratio": "ip_ratio", "x264-params:pbratio": "pb_ratio",
    },
    "libx265": {
        "bf": "bframes", "refs": "ref", "qmin": "qpmin", "qmax": "qpmax", "qdiff": "qpstep", "qcomp": "qcomp",
        "keyint_min": "min-keyint",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """What one encode gave.

    Attributes:
        error: why there is no stream, else ``""``: ``refused``, ``crashes`` or ``hangs``.
        digest: checksum of the stream, headers included.
        settings: what the encoder reported.
    """

    error: str = ""
    digest: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Measurement:
    """One encoder of one FFmpeg; usable from several threads."""

    spec: EncoderSpec
    capabilities: Capabilities
    clips: Path
    _plain: dict[str, Encoded | None] = field(default_factory=dict)
    _cuts: dict[tuple[str, str], str] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._locks = {name: threading.Lock() for name in self.contexts}

    @property
    def contexts(self) -> Mapping[str, Context]:
        """The contexts of this encoder, tried in this order."""
        return CONTEXTS[self.spec.name]

    def plain(self, name: str) -> Encoded | None:
        """Encode without the option; None if this context does not exist here or is not the same every time."""
        with self._locks[name]:
            if name not in self._plain:
                first = self._encode(self.contexts[name], {})
                usable = first is not None and not first.error
                self._plain[name] = (
                    first if usable and self._repeats(first, name, {}, times=self._repetitions) else None
                )
            return self._plain[name]

    @property
    def _repetitions(self) -> int:
        """How often a stream has to come out the same: x265 does not do so every time in every build."""
        return 3 if self.spec.name == "libx265" else 1

    def usable_contexts(self) -> list[str]:
        """Return names of the contexts in which options can be tried here."""
        return [name for name in self.contexts if self.plain(name) is not None]

    def contexts_for(self, option: str) -> list[str]:
        """Return names of the contexts in which an option is tried until it acts."""
        usable = self.usable_contexts()
        if option in self.spec.refused:
            return usable[:1]
        read = option in self.capabilities.help(self.spec.name).options or ":" in option or option in self.spec.generic
        return usable if read or option == "flags" else [name for name in usable if name in _FEW_CONTEXTS]

    def outcomes(self, wanted: Mapping[str, tuple[str, ...]], pool: Executor) -> Iterator[tuple[str, dict[str, str]]]:
        """Try every value of every option in the base context, then those that did nothing there in the others.

        In the other contexts several options are tried at once: as long as the stream stays the same, none of them acts.

        Yields:
            Each option as soon as it is known, with what each value does: ``acts`` or ``acts (context)``; ``-> used`` if
            the encoder reports another value than the one given, ``=> used`` if that one is also the default; ``same`` if
            the stream is the same without the option: the value is the default, or the option is ignored; ``unclear`` if
            only the encoder's report differs, or the option is one of `_UNCLEAR`; ``refused``, ``crashes``,
            ``hangs``.
        """
        first, *others = self.usable_contexts()
        silent: dict[str, dict[str, str]] = {}
        trials = {pool.submit(self._in_context, option, values, first, {}): option for option, values in wanted.items()}
        for trial in as_completed(trials):
            if acts(trial.result()):
                yield trials[trial], trial.result()
            else:
                silent[trials[trial]] = trial.result()
        for context in others:
            concerned = [option for option in sorted(silent) if context in self.contexts_for(option)]
            # A value that is refused would stop the others too.
            together = [option for option in concerned if "same" in silent[option].values()]
            groups = [together[start : start + MOST_AT_ONCE] for start in range(0, len(together), MOST_AT_ONCE)]
            quiet = pool.map(lambda group, name=context: self._is_quiet({o: silent[o] for o in group}, name), groups)
            loud = [option for option in concerned if option not in together]
            loud += [option for group, is_quiet in zip(groups, quiet, strict=True) if not is_quiet for option in group]
            tried = pool.map(lambda o, name=context: self._in_context(o, wanted[o], name, silent[o]), loud)
            for option, outcomes in zip(loud, tried, strict=True):
                silent[option] = outcomes
                if acts(outcomes):
                    yield option, silent.pop(option)
        yield from silent.items()

    def _in_context(
        self, option: str, values: tuple[str, ...], context: str, before: Mapping[str, str]
    ) -> dict[str, str]:
        return {**before, **{v: self._better(before.get(v), self.compare(option, v, context)) for v in values}}

    def _is_quiet(self, group: Mapping[str, Mapping[str, str]], context: str) -> bool:
        """True if all options of a group together change nothing, whatever their values."""
        values = {option: [v for v, outcome in tried.items() if outcome == "same"] for option, tried in group.items()}
        plain = self.plain(context)
        rounds = max(len(tried) for tried in values.values())
        return all(
            self._encode(self.contexts[context], {o: tried[min(pick, len(tried) - 1)] for o, tried in values.items()})
            == plain
            for pick in range(rounds)
        )

    def _better(self, old: str | None, new: str) -> str:
        """Of two contexts the one in which more happened; a value refused in the first stays refused unless it acts."""
        if old is None or acts({"": new}):
            return new
        return new if old == "same" and new.startswith(("unclear", "=>")) else old

    def compare(self, option: str, value: str, context: str) -> str:
        """Try one value in one context; see `outcomes`."""
        plain, encoded = self.plain(context), self._encode(self.contexts[context], {option: value})
        assert plain is not None
        if encoded is None:
            return "same"
        if encoded.error:
            return encoded.error
        if cut := self._cut(option, value, context, encoded):
            changed = encoded.digest != plain.digest and self._is_stable(option, value, context, encoded)
            return f"{'->' if changed else '=>'} {cut}"
        if encoded.digest != plain.digest and self._is_stable(option, value, context, encoded):
            return "acts" if context == "base" else f"acts ({context})"
        return "unclear" if encoded.settings != plain.settings or option in _UNCLEAR else "same"

    def _is_stable(self, option: str, value: str, context: str, encoded: Encoded) -> bool:
        """False if a difference does not come again: x265 is not the same every time in every build."""
        plain = self.plain(context)
        if self._repetitions == 1 or plain is None or encoded.settings != plain.settings:
            return True
        return self._repeats(encoded, context, {option: value}, times=2) and self._repeats(plain, context, {}, times=2)

    def _repeats(self, encoded: Encoded | None, context: str, extra: Mapping[str, str], *, times: int) -> bool:
        return all(self._encode(self.contexts[context], extra) == encoded for _ in range(times))

    def _cut(self, option: str, value: str, context: str, encoded: Encoded) -> str | None:
        """Return the value that the encoder reports instead of the one given, in each context where it differs."""
        reported = self._reported(option, encoded)
        if reported is None or _equal(reported, value):
            return None
        if (option, value) in self._cuts:
            return self._cuts[option, value]
        seen = {context: reported}
        for other in self.usable_contexts():
            if other != context:
                again = self._encode(self.contexts[other], {option: value})
                text = self._reported(option, again) if again else None
                if text is not None:
                    seen[other] = text
        return self._cuts.setdefault((option, value), cut_text(value, seen))

    def _reported(self, option: str, encoded: Encoded) -> str | None:
        name = _REPORTED_AS.get(self.spec.name, {}).get(option)
        if name is None and option.startswith("x265-params:"):
            name = option.partition(":")[2]
        text = encoded.settings.get(name) if name and name not in _REPORTED_OTHERWISE else None
        return text if text is not None and _number(text) is not None else None

    def _encode(self, context: Context, extra: Mapping[str, str]) -> Encoded | None:
        try:
            argv = self._argv(context, extra)
        except CapabilityError:
            return None
        try:
            done = run_tool(argv, timeout_s=TIMEOUT_S, check=False)
        except ProcessTimeoutError:
            return Encoded(error="hangs")
        if done.returncode < 0 or done.returncode in (134, 139):
            return Encoded(error="crashes")
        if done.returncode or any(re.search(line, done.stderr) for line in self.spec.complaints):
            return Encoded(error="refused")
        settings = x26x_settings(done.stdout) or svt_settings(done.stderr)
        digest = hashlib.sha1(done.stdout, usedforsecurity=False).hexdigest()
        return Encoded(digest=digest, settings=settings)

    def _argv(self, context: Context, extra: Mapping[str, str]) -> tuple[str, ...]:
        clip = CLIPS[context.clip]
        frames = RawFrames(frames=FrameFormat(width=clip.width, height=clip.height), fps=Fraction(30))
        encoder = resolve_encoder(
            VideoEncoderConfig(vcodec=self.spec.name, **context.config),
            self.capabilities,
            width=clip.width,
            height=clip.height,
            muxer=self.spec.muxers[0],
            encoder_threads=context.threads,
        )
        options = merged_options(encoder, {**context.options, **extra})
        form = encoder.feed_pix_fmt
        tags = [("colorspace", "smpte170m")] if has_matrix(form) else []
        return ffmpeg_argv(
            self.capabilities.ffmpeg,
            inputs=[Input(url=f"file:{self.clips / context.clip}", options=frames.input_options())],
            video=color_filters(form),
            output="pipe:1",
            output_options=[
                ("c:v", self.spec.name),
                ("pix_fmt", f"+{form}"),
                ("color_range", color_range(form)),
                *tags,
                *((f"{name}:v", text) for name, text in options.items() if name != "tag"),
                ("fflags", "+bitexact"),
                ("f", "nut"),
            ],
        )


def cut_text(value: str, seen: Mapping[str, str]) -> str:
    """``9 (g=2: 1; long/slow: as given)``: what is reported instead of a value in most contexts, and where it differs."""
    contexts: dict[str, list[str]] = {}
    for name, text in seen.items():
        contexts.setdefault("as given" if _equal(text, value) else text, []).append(name)
    usual = max((text for text in contexts if text != "as given"), key=lambda text: len(contexts[text]))
    others = [f"{'/'.join(names)}: {text}" for text, names in contexts.items() if text != usual]
    return f"{usual} ({', '.join(others)})" if others else usual


def merged_options(encoder: ResolvedEncoder, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a plan and further ones, of which those named ``option:key`` join their dictionary."""
    options = dict(encoder.options)
    for name, value in extra.items():
        option, inside, key = name.partition(":")
        if inside:
            kept = [part for part in options.get(option, "").split(":") if part and part.partition("=")[0] != key]
            options[option] = ":".join([*kept, f"{key}={value}"])
        else:
            options[name] = value
    return options


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def _equal(reported: str, asked: str) -> bool:
    """True if a report of two or so decimals is the value asked for, or that value is not a number."""
    one, other = _number(reported), _number(asked)
    return one is None or other is None or abs(one - other) < 0.006
