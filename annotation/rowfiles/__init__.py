"""The rows of files as people make them: CSV in any dialect, JSON lines and arrays, packed ones, Parquet, logs.

The one reader of everything a researcher brings. What is found out (a separator, an encoding) is told; what is wrong is
refused with its line, the reason, and what would be right. Pure but for reading the file.
"""

from annotation.rowfiles.reading import ENDINGS, RowFile, ending_of, file_sha256, read_records
from annotation.rowfiles.records import Record, RecordError, RowProblem

__all__ = ["ENDINGS", "Record", "RecordError", "RowFile", "RowProblem", "ending_of", "file_sha256", "read_records"]
