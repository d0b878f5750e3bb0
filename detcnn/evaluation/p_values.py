"""How a p-value that comes from replicas is written."""

import math


def p_value_text(p_value: float, *, least: float) -> str:
    """Return a p-value with two digits, as a bound where so many replicas cannot give a lesser.

    Parameters
    ----------
    p_value : float
        In [0, 1]; NaN where there is nothing to tell apart.
    least : float
        The p-value if no replica reaches what was found.

    Returns
    -------
    str
        ``0.062``, or ``≤ 0.002`` with the bound rounded up, or a dash.
    """
    if math.isnan(p_value):
        return "–"
    if p_value > least:
        return f"{p_value:.2g}"
    step = 10.0 ** (math.floor(math.log10(least)) - 1)
    return f"≤ {math.ceil(least / step - 1e-9) * step:.2g}"
