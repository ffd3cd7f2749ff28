"""Exports in the forms of other tools: folders that Argilla, Label Studio and Potato read."""

from annotation.export.others.writing import OTHER_FORMATS, other_write

__all__ = ["OTHER_FORMATS", "other_write"]
