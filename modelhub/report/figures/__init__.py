"""The figures of a report as SVG text: numbers in, drawing out, with presentation attributes only (no style)."""
