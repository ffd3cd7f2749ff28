"""Requests out and answers in, as Parquet files by key: for machines that answer without a database, and for Ray."""
