"""Keys that may stand in the dictionary options of the software encoders.

FFmpeg passes these dictionaries on unread, and the libraries answer an unknown key with a line on stderr and exit
status 0.  So the keys are listed here, from the libraries' own parameter documents.  Left out on purpose: keys that
read or write files (``stats``, ``dump-yuv``, ``qpfile``, ``csv``, ``analysis-save``, ``fgs-table``, ...), keys that run
a second pass, keys that change the number of frames, and logging.
"""

from __future__ import annotations

from ffenc.encoders.spec import ParameterString


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COLOUR = dict.fromkeys(("range", "colormatrix", "colorprim", "transfer"), "pix_fmt")

X264 = ParameterString(
    keys=_keys(
        "8x8dct aq-mode aq-strength aud b-adapt b-bias b-pyramid bframes bluray-compat cabac chroma-me chroma-qp-offset "
        "constrained-intra cplxblur cpu-independent cqm crf-max dct-decimate deadzone-inter deadzone-intra deblock direct "
        "fast-pskip force-cfr frame-packing intra-refresh ipratio lookahead-threads mbtree me merange min-keyint "
        "mixed-refs mvrange mvrange-thread nal-hrd no-8x8dct no-cabac no-chroma-me no-dct-decimate no-deblock "
        "no-fast-pskip no-mbtree no-mixed-refs no-psy no-scenecut no-weightb nr open-gop partitions pbratio psy psy-rd "
        "qblur qcomp qpmax qpmin qpstep ratetol rc-lookahead ref scenecut slice-max-mbs slice-max-size slice-min-mbs "
        "sliced-threads slices slices-max stitchable subme sync-lookahead trellis vbv-bufsize vbv-init vbv-maxrate "
        "weightb weightp"
    ),
    owned={
        "crf": "crf",
        "qp": "crf",
        "bitrate": "crf",
        "keyint": "g",
        "threads": "encoder_threads",
        **_COLOUR,
    },
)

X265 = ParameterString(
    keys=_keys(
        "amp aq-mode aq-motion aq-strength aud b-adapt b-intra b-pyramid bframe-bias bframes bframe-bias cbqpoffs "
        "chromaloc constrained-intra crf-max crf-min crqpoffs ctu cu-lossless cutree deblock dynamic-rd dynamic-refine "
        "early-skip fades frame-threads gop-lookahead hdr10 hdr10-opt hevc-aq hme hme-range hme-search hrd "
        "hrd-concat idr-recovery-sei info intra-refresh ipratio limit-modes limit-refs limit-sao limit-tu "
        "lookahead-slices lookahead-threads lossless lowpass-dct max-ausize-factor max-merge max-tu-size mcstf me "
        "merange min-cu-size min-keyint no-amp no-aq-motion no-aud no-b-intra no-b-pyramid no-constrained-intra "
        "no-cu-lossless no-cutree no-deblock no-early-skip no-fades no-hrd no-info no-intra-refresh no-limit-modes "
        "no-lossless no-open-gop no-pmode no-pme no-psy-rd no-psy-rdoq no-rd-refine no-rdoq-level no-rect "
        "no-repeat-headers no-sao no-sao-non-deblock no-scenecut no-signhide no-slow-firstpass no-ssim-rd "
        "no-strong-intra-smoothing no-temporal-mvp no-tskip no-tskip-fast no-weightb no-weightp no-wpp nr-inter "
        "nr-intra open-gop pbratio pmode pme psy-rd psy-rdoq qblur qcomp qpmax qpmin qpstep radl rc-grain "
        "rc-lookahead rd rd-refine rdoq-level rdpenalty rect ref repeat-headers rskip rskip-edge-threshold sao "
        "sao-non-deblock scenecut scenecut-bias scenecut-window selective-sao signhide slices splitrd-skip ssim-rd "
        "strong-intra-smoothing subme temporal-layers temporal-mvp tskip tskip-fast tu-inter-depth tu-intra-depth uhd-bd "
        "vbv-bufsize vbv-end vbv-init vbv-maxrate weightb weightp wpp zone-count"
    ),
    owned={
        "crf": "crf",
        "qp": "crf",
        "bitrate": "crf",
        "keyint": "g",
        "pools": "encoder_threads",
        "input-csp": "pix_fmt",
        "output-depth": "pix_fmt",
        **_COLOUR,
    },
)

SVT_AV1 = ParameterString(
    keys=_keys(
        "adaptive-film-grain aq-mode avif bias-pct buf-initial-sz buf-optimal-sz buf-sz enable-cdef enable-dg enable-dlf "
        "enable-force-key-frames enable-intrabc enable-mfmv enable-overlays enable-qm enable-restoration "
        "enable-stat-report enable-tf enable-tpl-la enable-variance-boost film-grain film-grain-denoise "
        "gop-constraint-rc hbd-md hierarchical-levels irefresh-type level lookahead lossless low-memory luminance-qp-bias "
        "max-qp max-tx-size maxsection-pct mbr mbr-overshoot-pct min-qp minsection-pct overshoot-pct pin "
        "pred-struct profile qm-max qm-min qp-scale-compress-strength rc recode-loop resize-mode rmv rtc scd "
        "scm sframe-dist sframe-mode sharpness startup-mg-size superres-denom superres-mode tbr tf-strength tier "
        "tile-columns tile-rows tune undershoot-pct unpin variance-boost-curve variance-boost-strength variance-octile"
    ),
    owned={
        "preset": "preset",
        "crf": "crf",
        "qp": "crf",
        "keyint": "g",
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
        "aq-mode arnr-maxframes arnr-strength auto-alt-ref cdf-update-mode chroma-deltaq content-type cq-level "
        "deltalf-mode deltaq-mode deltaq-strength denoise-block-size denoise-noise-level disable-trellis-quant "
        "enable-adaptive-sharpness enable-cdef enable-chroma-deltaq enable-dnl-denoising enable-fwd-kf enable-global-motion "
        "enable-keyframe-filtering enable-low-complexity-decode enable-obmc enable-order-hint enable-overlay enable-palette "
        "enable-qm enable-rect-partitions enable-restoration enable-tpl-model enable-warped-motion error-resilient "
        "film-grain-test frame-parallel gf-max-pyr-height gf-min-pyr-height lossless max-gf-interval max-intra-rate "
        "max-partition-size max-reference-frames min-gf-interval min-partition-size min-q max-q mode-cost-upd-freq "
        "mv-cost-upd-freq noise-sensitivity num-tile-groups qm-max qm-min quant-b-adapt reduced-reference-set "
        "sb-size sharpness static-thresh tile-columns tile-rows tune tune-content"
    ),
    owned={
        "cpu-used": "preset",
        "end-usage": "crf",
        "threads": "encoder_threads",
        "row-mt": "encoder_threads",
    },
)

RAV1E = ParameterString(
    keys=_keys(
        "low_latency min_key_frame_interval min_quantizer rdo_lookahead_frames reservoir_frame_delay still_picture "
        "switch_frame_interval tune"
    ),
    owned={"quantizer": "crf", "speed": "preset", "key_frame_interval": "g", "threads": "encoder_threads"},
)
