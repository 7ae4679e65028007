"""The values to test for each option."""

from __future__ import annotations

from collections.abc import Mapping

from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.spec import EncoderSpec, ParameterString
from ffenc.ffmpeg.listing import EncoderHelp, EncoderOption

# String options, and numbers whose listed range is that of a C integer.
_OPTION_VALUES: Mapping[str, tuple[str, ...]] = {
    "tune": ("film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"),
    "profile": (
        "baseline",
        "main",
        "high",
        "high10",
        "high422",
        "high444",
        "main10",
        "main12",
        "mainstillpicture",
        "main-intra",
    ),
    "level": ("1.1", "3", "4.1", "5.2", "6.2"),
    "wpredp": ("0", "1", "2"),
    "psy-rd": ("0.4", "0.8,0.2", "2:1"),
    "deblock": ("-2,1", "3,-3", "0"),
    "partitions": ("none", "all", "p8x8,i4x4"),
    "crf_max": ("20", "31", "45"),
    "b-bias": ("-90", "-20", "40", "100", "150"),
    "slice-max-size": ("100", "400", "1500"),
    "noise_reduction": ("1", "500", "65536", "100000"),
    "chromaoffset": ("-32", "-3", "5", "32", "40"),
    "avcintra-class": ("50", "100", "200"),
    "cplxblur": ("0", "5", "60", "999"),
    "sc_threshold": ("0", "20", "90", "1000"),
    "tiles": ("1", "2", "4", "2x1", "1x2"),
    "rc_eq": ("tex", "tex^qComp*1.2", "iTex*0.5"),
    "lag-in-frames": ("0", "1", "5", "25", "60"),
    "static-thresh": ("1", "300", "3000", "100000"),
    "max-intra-rate": ("0", "50", "300"),
    "drop-threshold": ("0", "30", "90"),
    "deadline": ("best", "good", "realtime"),
    "quality": ("best", "good", "realtime"),
    "arnr-maxframes": ("0", "5", "15", "16"),
    "arnr-max-frames": ("0", "5", "15", "16"),
    "min-gf-interval": ("0", "2", "8", "16"),
    "corpus-complexity": ("0", "50", "1000"),
    "denoise-noise-level": ("0", "10", "50"),
    "denoise-block-size": ("8", "16", "32"),
    "usage": ("good", "realtime", "allintra"),
    "max_nal_size": ("100", "300", "1500"),
    "rc_qmod_amp": ("0.5", "3"),
    "rc_qmod_freq": ("2", "5"),
    "rc_init_cplx": ("1", "100", "10000"),
    "rc_buf_aggressivity": ("0.5", "3"),
    "border_mask": ("0.2", "1"),
    "lmin": ("118", "1000", "3000"),
    "lmax": ("300", "1000", "20000"),
    "qsquish": ("0.5", "1", "99"),
    "luma_elim_threshold": ("-10", "4", "30"),
    "chroma_elim_threshold": ("-10", "4", "30"),
    "quantizer_noise_shaping": ("1", "2", "4"),
    "mepc": ("1", "1000", "8000"),
    "mepre": ("1", "2"),
    "intra_penalty": ("100", "5000", "100000"),
    "ps": ("1", "200"),
    "error_rate": ("1", "50"),
    "skip_threshold": ("1", "1000", "100000"),
    "skip_factor": ("1", "1000", "100000"),
    "skip_exp": ("1", "-1", "2"),
    "b_sensitivity": ("1", "100"),
}
_GENERIC_VALUES: Mapping[str, tuple[str, ...]] = {
    "b": ("60k", "300k", "2M"),
    "maxrate": ("40k", "120k", "1M"),
    "minrate": ("60k", "100k"),
    "bufsize": ("20k", "50k", "1M"),
    "bf": ("0", "1", "2", "3", "8", "16"),
    "refs": ("1", "2", "6", "16"),
    "keyint_min": ("1", "2", "5", "10", "60"),
    "qmin": ("1", "10", "35", "60"),
    "qmax": ("3", "12", "35", "60"),
    "qdiff": ("1", "2", "10", "50"),
    "qcomp": ("0", "0.3", "0.5", "0.8", "1"),
    "i_qfactor": ("0.1", "0.5", "2", "10"),
    "b_qfactor": ("0.1", "0.5", "2", "10"),
    "rc_init_occupancy": ("5000", "20000", "39000"),
    "trellis": ("0", "1", "2"),
    "me_range": ("4", "12", "16", "24", "64", "1023"),
    "slices": ("2", "4", "9"),
    "level": ("1", "3", "30", "41", "51"),
    "profile": ("0", "1", "3", "15", "77", "100"),
    "compression_level": ("0", "1", "5", "9"),
    "flags": ("+mv4", "+qpel", "+loop", "-loop", "+gray", "+ildct", "+ilme", "+aic", "+cgop", "+low_delay"),
}
# Keys that need other values than small numbers.
_KEY_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "x264-params": {
        "direct": ("none", "spatial", "temporal", "auto"), "deblock": ("0,0", "-2,1", "3,3"),
        "me": ("dia", "hex", "umh", "esa"), "merange": ("4", "12", "16", "24", "64"), "mvrange": ("32", "64", "256"),
        "partitions": ("none", "all", "p8x8,i4x4"), "psy-rd": ("0.4,0.0", "1.0,0.2"), "qcomp": ("0", "0.5", "0.8", "1"),
        "qpmax": ("20", "35", "51"), "qpmin": ("10", "35"), "qpstep": ("1", "2", "10"), "rc-lookahead": ("0", "5", "20", "250"),
        "scenecut": ("0", "20", "90"), "ipratio": ("0.5", "1.1", "2"), "pbratio": ("0.5", "1.1", "2"),
        "slice-max-size": ("200", "1500"), "slice-max-mbs": ("8", "20"), "slices-max": ("2", "4"), "slices": ("2", "4"),
        "min-keyint": ("1", "2", "5", "10"), "b-pyramid": ("none", "strict", "normal"), "b-bias": ("-90", "-20", "40", "100"),
        "nr": ("0", "100", "1000", "65536"), "chroma-qp-offset": ("-12", "-3", "5", "12"), "trellis": ("0", "1", "2"),
        "deadzone-inter": ("0", "6", "32"), "deadzone-intra": ("0", "6", "32"), "bframes": ("0", "1", "2", "8", "16"),
        "ref": ("1", "2", "6", "16"), "subme": ("0", "3", "9", "11"), "aq-strength": ("0", "0.5", "2", "3"),
    },
    "x265-params": {
        "bframes": ("0", "1", "2", "8", "16"), "cbqpoffs": ("-5", "3"), "crqpoffs": ("-5", "3"), "ctu": ("16", "32", "64"),
        "deblock": ("0,0", "-2,1", "3,3"), "hme-range": ("8,16,24", "16,32,48"), "hme-search": ("hex,umh,star", "dia,hex,umh"),
        "ipratio": ("0.5", "1.1", "2"), "pbratio": ("0.5", "1.1", "2"), "max-tu-size": ("4", "8", "16"),
        "me": ("dia", "hex", "umh", "star", "full"), "merange": ("4", "16", "30", "200"), "min-cu-size": ("8", "16", "32"),
        "psy-rd": ("0.5", "1.0", "4"), "psy-rdoq": ("0.5", "5", "20"), "qcomp": ("0.5", "0.7", "1"), "qg-size": ("8", "16", "64"),
        "qpmax": ("20", "35", "51"), "qpmin": ("10", "35"), "qpstep": ("1", "2", "10"), "rc-lookahead": ("4", "5", "10", "40"),
        "rd": ("1", "2", "4", "6"), "ref": ("1", "2", "6", "16"), "rskip-edge-threshold": ("1", "15", "80"),
        "scenecut": ("0", "20", "90"), "scenecut-bias": ("1", "20", "60"), "subme": ("0", "1", "4", "7"),
        "nr-intra": ("10", "500", "2000"), "nr-inter": ("10", "500", "2000"), "bframe-bias": ("-50", "40", "90"),
        "aq-strength": ("0", "0.5", "2", "3"), "aq-mode": ("0", "1", "2", "3", "4"), "min-keyint": ("1", "2", "5", "10"),
        "lookahead-slices": ("0", "2", "8"), "chromaloc": ("0", "2", "5"),
    },
    "svtav1-params": {
        "ac-bias": ("0.5", "2", "8"), "film-grain": ("1", "8", "50"), "hierarchical-levels": ("2", "3", "4", "5"),
        "lookahead": ("0", "10", "60", "120"), "max-tx-size": ("32", "64"), "mbr": ("20", "200"),
        "mbr-overshoot-pct": ("0", "50", "100"), "pred-struct": ("1", "2"), "qm-max": ("2", "8", "15"),
        "qm-min": ("0", "8", "15"),
        "chroma-qm-min": ("0", "8", "15"), "sframe-dist": ("4", "8"), "superres-denom": ("8", "12", "16"),
        "superres-mode": ("1", "2", "3", "4"), "luminance-qp-bias": ("0", "20", "100"),
        "qp-scale-compress-strength": ("0", "1", "3", "8"), "sharpness": ("-7", "-1", "3", "7"),
        "variance-octile": ("1", "4", "8"), "variance-boost-strength": ("1", "2", "3", "4"),
        "variance-boost-curve": ("0", "1", "2"), "startup-mg-size": ("0", "2", "3", "4"), "tune": ("0", "1", "2", "3", "4"),
        "scm": ("0", "1", "2", "3"), "tf-strength": ("0", "1", "3", "4"), "enable-tf": ("0", "1", "2"),
    },
    "aom-params": {
        "deltaq-strength": ("10", "50", "400"), "denoise-block-size": ("8", "16", "32"), "denoise-noise-level": ("10", "50"),
        "gf-max-pyr-height": ("0", "1", "3", "5"), "gf-min-pyr-height": ("0", "1", "3", "5"),
        "max-gf-interval": ("4", "8", "16", "32"),
        "min-gf-interval": ("4", "8", "16", "32"), "max-intra-rate": ("50", "300"), "max-partition-size": ("8", "16", "64"),
        "min-partition-size": ("8", "16", "64"), "max-reference-frames": ("3", "4", "5"), "qm-max": ("2", "8", "15"),
        "qm-min": ("0", "8", "15"), "sb-size": ("64", "128", "dynamic"), "static-thresh": ("100", "1000"),
        "tune": ("psnr", "ssim"), "tune-content": ("default", "screen", "film"), "film-grain-test": ("1", "5", "16"),
        "noise-sensitivity": ("1", "3"), "arnr-maxframes": ("0", "5", "15"), "arnr-strength": ("0", "3", "6"),
        "sharpness": ("1", "7"), "aq-mode": ("0", "1", "2", "3"), "num-tile-groups": ("2", "4"),
        "tile-columns": ("0", "1", "2"), "tile-rows": ("0", "1", "2"), "deltaq-mode": ("0", "1", "2", "3"),
    },
    "rav1e-params": {
        "low_latency": ("true", "false"), "min_key_frame_interval": ("0", "2", "5"), "rdo_lookahead_frames": ("1", "5", "40"),
        "tune": ("Psnr", "Psychovisual"),
    },
}  # fmt: skip
_SMALL = ("0", "1", "2")


def options_to_try(spec: EncoderSpec, listing: EncoderHelp) -> dict[str, tuple[str, ...]]:
    """Return the values to test by option of an encoder; keys of dictionary options are named ``option:key``.

    Skips options that a config field sets, free text that could name a file, and ``no-KEY``, which behaves like ``KEY``.
    """
    fields = _carried_by_fields(spec)
    found = {}
    for option in listing.options.values():
        if option.name in spec.parameters:
            parameters = spec.parameters[option.name]
            keys = (key for key in parameters.keys if key.removeprefix("no-") == key)
            found.update({f"{option.name}:{key}": _key_values(option.name, key, parameters) for key in keys})
        elif option.name not in fields and (values := _listed_values(option)):
            found[option.name] = values
    for name in (*GENERIC_OPTIONS, "flags"):
        if name not in listing.options and name not in fields:
            generic = GENERIC_OPTIONS.get(name)
            tried = _GENERIC_VALUES.get(name) or (generic.choices if generic else ()) or _SMALL
            found[name] = tried if name in spec.generic or name == "flags" else (tried[0], tried[-1])
    return dict(sorted(found.items()))


def _carried_by_fields(spec: EncoderSpec) -> set[str]:
    quality = set(spec.quality.options) if spec.quality else set()
    others = (part.option for part in (spec.preset, spec.gop, spec.threads) if part is not None)
    return {"crf", "qp", *quality, *others}


def _listed_values(option: EncoderOption) -> tuple[str, ...]:
    words = tuple(choice.name for choice in option.choices if choice.name not in ("auto", "unknown"))
    if option.type == "flags":
        return tuple(f"+{word}" for word in words)
    if option.type == "boolean":
        return ("0", "1")
    if option.type in ("string", "dictionary", "image_size"):
        return _OPTION_VALUES.get(option.name, ())
    if option.name in _OPTION_VALUES and option.name not in ("profile", "tune", "level", "tiles"):
        words = words or _OPTION_VALUES[option.name]
    return words or _numbers(option)


def _numbers(option: EncoderOption) -> tuple[str, ...]:
    low, high = option.minimum, option.maximum
    if low is None or high is None or high - low > 10_000:
        return ("0", "1", "2", "5", "30")
    middle = (low + high) / 2
    numbers = {low, low + 1, low + 2, int(middle), high} if option.type != "float" else {low, middle, high}
    # Encoders take -1 for "not set".
    return tuple(f"{number:g}" for number in sorted(numbers) if low <= number <= high and number != -1)


def _key_values(name: str, key: str, parameters: ParameterString) -> tuple[str, ...]:
    if key in _KEY_VALUES[name]:
        return _KEY_VALUES[name][key]
    low, high = parameters.ranges.get(key, (0, 2))
    return tuple(f"{number:g}" for number in sorted({low, low + 1, (low + high) // 2, high}))
