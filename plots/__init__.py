"""Drawings: numbers in, positions out. Nothing of the project is imported here, and no Django.

Pages get a `Plot` of shapes, which templates/_plot.html writes as SVG with classes. A report's figures are SVG text
with colours of their own, since nothing else comes with them.
"""
