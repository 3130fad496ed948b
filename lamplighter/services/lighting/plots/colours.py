# SPDX-License-Identifier: Apache-2.0
"""A scale of colours from dark blue over grey to light yellow: equal steps of value look equally far apart to every eye.

It is a straight line in OKLab (Bjoern Ottosson, 2020), where distance stands for perceived difference. Lightness alone tells the
order, and blue against yellow is the pair that people with the usual colour deficiencies keep.
"""

import numpy as np

from lamplighter.terms.columns import FloatArray

DARK, LIGHT = (0.27, -0.020, -0.085), (0.955, -0.030, 0.125)  # lightness, green to red, blue to yellow
_TO_LMS = np.array([[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]])
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklab(share: FloatArray) -> FloatArray:
    """Return (n, 3) points of the scale in OKLab for shares 0 to 1."""
    t = np.clip(share, 0.0, 1.0)[:, None]
    return (1.0 - t) * np.array(DARK) + t * np.array(LIGHT)


def srgb(lab: FloatArray) -> FloatArray:
    """Return (n, 3) sRGB 0 to 1 of colours in OKLab; what no screen shows lies outside."""
    linear = (lab @ _TO_LMS.transpose()) ** 3 @ _TO_RGB.transpose()
    low = np.minimum(linear, 0.0031308)
    high = np.maximum(linear, 0.0031308)
    return np.where(linear <= 0.0031308, low * 12.92, 1.055 * high ** (1.0 / 2.4) - 0.055)


def scale(steps: int) -> list[str]:
    """Return so many colours of the scale, darkest first, as #rrggbb."""
    values = np.clip(np.rint(srgb(oklab(np.linspace(0.0, 1.0, steps))) * 255.0), 0, 255).astype(np.int64)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in values.tolist()]
