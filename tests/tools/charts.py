"""Draws the chart of examples/images, and others of any size: `python -m tests.tools.charts`."""

import io
from pathlib import Path

from PIL import Image, ImageDraw

EXAMPLE = Path(__file__).parents[2] / "examples" / "images" / "rain.png"
RAIN = (48, 41, 55, 62, 88, 97, 104, 92, 70, 58, 52, 50)
WET = 80  # millimetres, from which on a bar is dark


def chart(width: int = 480, height: int = 240) -> bytes:
    """Return a PNG: millimetres of rain by month as bars."""
    image = Image.new("P", (width, height), 0)
    image.putpalette([255, 255, 255, 90, 98, 102, 150, 190, 214, 32, 92, 138])
    draw, step = ImageDraw.Draw(image), width / len(RAIN)
    for month, rain in enumerate(RAIN):
        top = height - 2 - rain * (height - 12) / max(RAIN)
        left, right = month * step + step / 6, (month + 1) * step - step / 6
        draw.rectangle((left, top, right, height - 2), 3 if rain > WET else 2)
    draw.line((0, height - 1, width, height - 1), 1)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    EXAMPLE.write_bytes(chart())
