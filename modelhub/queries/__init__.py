"""Reads of what the pipeline and the studies stored; nothing here writes."""
