"""Blinded exports: tables of a study as CSV, JSONL or Parquet, with a codebook. Arms appear by code only."""

from annotation.export.files import FORMATS, export_refusal, export_write
from annotation.export.tables import Column, Table, study_tables

__all__ = ["FORMATS", "Column", "Table", "export_refusal", "export_write", "study_tables"]
