"""How series are told apart, counted from 0: by colours in a report, by classes of static/workbench.css on pages."""

INK, SOFT, GRID = "#1f2629", "#566064", "#d5d8d8"
# Okabe & Ito's colours, told apart with every common colour blindness; marks differ in shape too.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MOST_LINES = 4  # curves that static/workbench.css tells apart on a page
_LIGHT, _DARK = (222, 235, 247), (8, 48, 107)


def colour_of(series: int) -> str:
    """Return the colour of a series in a report."""
    return SERIES[series % len(SERIES)]


def look_of(series: int) -> str:
    """Return what the classes of a series end with on a page: `plot-bar-1` and `curve-run-1` are those of the first."""
    return str(series + 1)


def shade(place: int, size: int) -> str:
    """Return the colour of the value at `place` of a scale with `size` values: one hue, evenly darker."""
    share = place / max(size - 1, 1)
    mixed = (round(light + (dark - light) * share) for light, dark in zip(_LIGHT, _DARK, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)
