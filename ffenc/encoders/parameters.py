"""The accepted keys of the dictionary options of the software encoders.

FFmpeg passes these dictionaries on unread, and for an unknown key the libraries only print a line and exit with status 0.
Listed are the keys that the library of some build accepts (FFmpeg 4.2.2, 5.1.9, 7.0.2, 8.1.2 and 9.0.2 were tried) and
that change its files, alone or with other keys.

Excluded are keys that read or write files (``stats``, ``dump-yuv``, ``qpfile``, ``cqm``, ``csv``, ``analysis-save``,
``fgs-table``, ...), run a second pass, or change the number or the size of the frames; buffer models (``maxrate`` and
``bufsize`` set them); keys without effect; and logging.
"""

from __future__ import annotations

from ffenc.encoders.spec import ParameterString


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REFUSED = dict.fromkeys(
    ("zones", "interlace", "interlaced", "tff", "bff", "fake-interlaced", "field"),
    "it would encode progressive frames as two fields",
) | {"zones": "it would give some frames another quality than the recorded one"}
_COLOUR = dict.fromkeys(("range", "colormatrix", "colorprim", "transfer"), "pix_fmt")

X264 = ParameterString(
    keys=_keys(
        "8x8dct aq-mode aq-strength aud b-adapt b-bias b-pyramid bframes bluray-compat cabac chroma-me "
        "chroma-qp-offset constrained-intra cpu-independent dct-decimate deadzone-inter deadzone-intra deblock "
        "direct fast-pskip ipratio lookahead-threads mbtree me merange min-keyint mixed-refs mvrange no-8x8dct "
        "no-cabac no-chroma-me no-dct-decimate no-deblock no-fast-pskip no-mbtree no-mixed-refs no-psy "
        "no-scenecut no-weightb nr partitions pbratio psy psy-rd qcomp qpmax qpmin qpstep rc-lookahead ref "
        "scenecut slice-max-mbs slice-max-size sliced-threads slices slices-max subme trellis weightb weightp"
    ),
    owned={
        "crf": "crf",
        "qp": "crf",
        "bitrate": "crf",
        "keyint": "g",
        "open-gop": "g",
        "intra-refresh": "g",
        "threads": "encoder_threads",
        **_COLOUR,
    },
    # x264 clamps numbers to these silently (``x264_validate_parameters``).
    ranges={
        "aq-mode": (0, 3),
        "aq-strength": (0, 3),
        "b-adapt": (0, 2),
        "b-bias": (-90, 100),
        "bframes": (0, 16),
        "chroma-qp-offset": (-12, 12),
        "deadzone-inter": (0, 32),
        "deadzone-intra": (0, 32),
        "deblock": (-6, 6),
        "ipratio": (0.01, 10),
        "lookahead-threads": (1, 16),
        "merange": (4, 1024),
        "nr": (0, 65536),
        "pbratio": (0.01, 10),
        "psy-rd": (0, 10),
        "qcomp": (0, 1),
        "qpmax": (0, 69),
        "qpmin": (0, 69),
        "qpstep": (2, 69),
        "rc-lookahead": (0, 250),
        "ref": (1, 16),
        "subme": (0, 11),
        "trellis": (0, 2),
        "weightp": (0, 2),
    },
    refused=_REFUSED,
)

# Without slices: two slices of one row of coding units each damage a frame of 128x128 (4.2.2 and 9.0.2, measured).
X265 = ParameterString(
    keys=_keys(
        "amp aq-mode aq-motion aq-strength aud b-adapt b-intra b-pyramid bframe-bias bframes cbqpoffs chromaloc "
        "constrained-intra crqpoffs ctu cu-lossless cutree deblock early-skip fades hdr10 hevc-aq hme hme-range "
        "hme-search idr-recovery-sei info ipratio limit-modes limit-refs limit-sao limit-tu lookahead-slices "
        "lookahead-threads lossless lowpass-dct max-merge max-tu-size mcstf me merange min-cu-size min-keyint "
        "no-amp no-aq-motion no-aud no-b-intra no-b-pyramid no-constrained-intra no-cu-lossless no-cutree "
        "no-deblock no-early-skip no-fades no-info no-limit-modes no-lossless no-pme no-pmode no-psy-rd "
        "no-psy-rdoq no-rd-refine no-rdoq-level no-rect no-repeat-headers no-sao no-sao-non-deblock no-scenecut "
        "no-signhide no-ssim-rd no-strong-intra-smoothing no-temporal-mvp no-tskip no-tskip-fast no-weightb "
        "no-weightp no-wpp nr-inter nr-intra pbratio pme pmode psy-rd psy-rdoq qcomp qg-size qpmax qpmin qpstep "
        "rc-grain rc-lookahead rd rd-refine rdoq-level rdpenalty rect ref repeat-headers rskip "
        "rskip-edge-threshold sao sao-non-deblock scenecut scenecut-bias selective-sao signhide "
        "splitrd-skip ssim-rd strong-intra-smoothing subme temporal-layers temporal-mvp tskip tskip-fast "
        "tu-inter-depth tu-intra-depth weightb weightp wpp"
    ),
    owned={
        "crf": "crf",
        "qp": "crf",
        "bitrate": "crf",
        "keyint": "g",
        "open-gop": "g",
        "no-open-gop": "g",
        "intra-refresh": "g",
        "pools": "encoder_threads",
        "frame-threads": "encoder_threads",
        "input-csp": "pix_fmt",
        "output-depth": "pix_fmt",
        **_COLOUR,
    },
    refused=_REFUSED,
)

SVT_AV1 = ParameterString(
    keys=_keys(
        "ac-bias adaptive-film-grain aq-mode chroma-qm-min enable-cdef enable-dlf enable-mfmv enable-overlays "
        "enable-qm enable-restoration enable-tf enable-variance-boost film-grain film-grain-denoise "
        "hierarchical-levels lookahead lossless luminance-qp-bias max-tx-size mbr mbr-overshoot-pct pred-struct "
        "qm-max qm-min qp-scale-compress-strength rmv rtc scm sframe-dist sframe-mode sharpness startup-mg-size "
        "superres-denom superres-mode tf-strength tile-columns tile-rows tune variance-boost-curve "
        "variance-boost-strength variance-octile"
    ),
    owned={
        "preset": "preset",
        "crf": "crf",
        "qp": "crf",
        "rc": "crf",
        "tbr": "crf",
        "min-qp": "crf",
        "max-qp": "crf",
        "keyint": "g",
        "irefresh-type": "g",
        "fast-decode": "fast_decode",
        "lp": "encoder_threads",
        "color-range": "pix_fmt",
        "matrix-coefficients": "pix_fmt",
        "color-primaries": "pix_fmt",
        "transfer-characteristics": "pix_fmt",
    },
)

AOM = ParameterString(
    keys=_keys(
        "aq-mode arnr-maxframes arnr-strength auto-alt-ref cdf-update-mode deltaq-mode deltaq-strength "
        "denoise-block-size denoise-noise-level disable-trellis-quant enable-adaptive-sharpness enable-cdef "
        "enable-chroma-deltaq enable-dnl-denoising enable-global-motion enable-keyframe-filtering "
        "enable-low-complexity-decode enable-obmc enable-order-hint enable-overlay enable-palette enable-qm "
        "enable-rect-partitions enable-restoration enable-tpl-model enable-warped-motion error-resilient "
        "film-grain-test frame-parallel gf-max-pyr-height gf-min-pyr-height lossless max-gf-interval "
        "max-intra-rate max-partition-size max-reference-frames min-gf-interval min-partition-size "
        "mode-cost-upd-freq mv-cost-upd-freq noise-sensitivity num-tile-groups qm-max qm-min quant-b-adapt "
        "reduced-reference-set sb-size sharpness static-thresh tile-columns tile-rows tune tune-content"
    ),
    owned={
        "cpu-used": "preset",
        "end-usage": "crf",
        "cq-level": "crf",
        "min-q": "crf",
        "max-q": "crf",
        "threads": "encoder_threads",
        "row-mt": "encoder_threads",
    },
)

RAV1E = ParameterString(
    keys=_keys("low_latency min_key_frame_interval rdo_lookahead_frames tune"),
    owned={"quantizer": "crf", "speed": "preset", "key_frame_interval": "g", "threads": "encoder_threads"},
)
