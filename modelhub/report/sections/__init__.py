"""The sections of a report, one module per subject: results in, sections of a document out."""
