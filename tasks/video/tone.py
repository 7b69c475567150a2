"""Light of HDR and wide-gamut video as sRGB: what a person would see of it on a usual screen."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.srgb import srgb_from_linear

Transfer = Literal["pq", "hlg", "sdr"]
Gamut = Literal["bt709", "bt2020", "p3"]
FloatArray = NDArray[np.floating[Any]]

_REFERENCE_WHITE_NITS = 203.0
"""Light of white paper in HDR video, which is sRGB's white. Source: ITU-R BT.2408-7, table 1."""
_HLG_PEAK_NITS, _HLG_GAMMA = 1000.0, 1.2
"""The screen that HLG is meant for. Source: ITU-R BT.2100-2, table 5."""
_SDR_GAMMA = 2.4
"""Source: ITU-R BT.1886."""
_KNEE = 0.9
"""Share of white up to which light passes unchanged; what is brighter nears white, so that
highlights keep some of their shape, and white is darker by 4 of 255."""

_LEVELS = 1 << 16
_TO_BT709 = {
    # Source: ITU-R BT.2087-0, 2.3.
    "bt2020": ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    # Source: SMPTE EG 432-1, primaries of P3 with the white of D65, over XYZ to those of BT.709.
    "p3": ((1.2249, -0.2247, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0979)),
}


def to_srgb(encoded: NDArray[np.uint16], transfer: Transfer, gamut: Gamut) -> NDArray[np.uint8]:
    """Bring encoded light to sRGB.

    Colours keep their hue: what is too bright is dimmed in all channels alike, what lies outside of
    sRGB's gamut is clipped.

    Args:
        encoded: ``(H, W, 3)`` red, green, blue as the video's transfer function encodes them, full
            range, 0 to 65535.
        transfer: ``"pq"`` (SMPTE ST 2084), ``"hlg"`` (ARIB STD-B67) or ``"sdr"`` (all others).
        gamut: Primaries.

    Returns:
        ``(H, W, 3)`` red, green, blue in sRGB.
    """
    code = np.arange(_LEVELS, dtype=np.float64) / (_LEVELS - 1)
    light: FloatArray = _linear(code, transfer).astype(np.float32)[encoded]
    if gamut != "bt709":
        light = light @ np.array(_TO_BT709[gamut], np.float32).T
    light = np.maximum(light, 0)
    if transfer == "sdr":  # as it came: video's code values are shown as sRGB's
        shown = np.minimum(light, 1) ** np.float32(1 / _SDR_GAMMA)
        return np.rint(shown * 255).astype(np.uint8)
    table = np.rint(srgb_from_linear(code) * 255).astype(np.uint8)
    return table[np.rint(_rolled_off(light) * (_LEVELS - 1)).astype(np.int32)]


def _linear(code: FloatArray, transfer: Transfer) -> FloatArray:
    """Linear light of code values, 0 to 1; 1 is the white of paper."""
    if transfer == "sdr":
        return np.asarray(code**_SDR_GAMMA)
    nits = pq_nits(code) if transfer == "pq" else hlg_nits(code)
    return nits / _REFERENCE_WHITE_NITS


def _rolled_off(light: FloatArray) -> FloatArray:
    """Linear light, 0 to anything, brought to 0 to 1 by the brightest channel."""
    brightest = light.max(axis=-1, keepdims=True)
    room = 1 - _KNEE
    curve = _KNEE + room * (1 - np.exp(-(np.maximum(brightest, _KNEE) - _KNEE) / room))
    return np.asarray(light * np.where(brightest > _KNEE, curve / np.maximum(brightest, _KNEE), 1))


def pq_nits(code: FloatArray) -> FloatArray:
    """Light in nits of PQ's code values, 0 to 1. Source: SMPTE ST 2084, the EOTF."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.maximum(code, 0) ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def hlg_nits(code: FloatArray) -> FloatArray:
    """Light in nits of HLG's code values, 0 to 1.

    Source: ITU-R BT.2100-2, table 5: the inverse OETF, and the OOTF's gamma of a screen of 1000
    nits. It is taken of each channel, as zimg does for encoders and screens' own gamma does, not of
    the luminance: greys are the same, and colours that were SDR before come back as they were.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return np.asarray(_HLG_PEAK_NITS * scene**_HLG_GAMMA)
