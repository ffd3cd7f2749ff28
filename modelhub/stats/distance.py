"""Disagreement between values: the squared difference functions of Krippendorff's alpha, and Gwet's weights."""

import numpy as np

from modelhub.stats.ratings import FloatArray, Level


def squared_differences(level: Level, numbers: FloatArray, margins: FloatArray) -> FloatArray:
    """Return delta² between all pairs of values.

    Args:
        numbers: the values, shape (q,).
        margins: how often each value was used, shape (..., q); only the ordinal level looks at them.

    Returns:
        Shape (..., q, q) for the ordinal level, (q, q) for the others.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section "difference functions".
    """
    q = len(numbers)
    if level == Level.NOMINAL:
        return 1.0 - np.eye(q)
    if level == Level.INTERVAL:
        return (numbers[:, None] - numbers[None, :]) ** 2
    if level == Level.RATIO:
        total = numbers[:, None] + numbers[None, :]
        difference = numbers[:, None] - numbers[None, :]
        return np.divide(difference, total, out=np.zeros((q, q)), where=total != 0) ** 2
    # Ordinal: ranks between the two values, half of each end. Mid-ranks make it a plain difference.
    mid = np.cumsum(margins, axis=-1) - margins / 2
    return (mid[..., :, None] - mid[..., None, :]) ** 2


def agreement_weights(level: Level, numbers: FloatArray) -> FloatArray:
    """Return Gwet's weights, shape (q, q): identity for nominal, quadratic in the values for all other levels.

    Source: Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., section 3.5.
    """
    q = len(numbers)
    if level == Level.NOMINAL or q < 2:
        return np.eye(q)
    span = float(numbers.max() - numbers.min())
    return 1.0 - ((numbers[:, None] - numbers[None, :]) / span) ** 2
