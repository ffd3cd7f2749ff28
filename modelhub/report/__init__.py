"""Turn the results of modelhub/analysis into figures, tables, text and files. Numbers are shown here, never made."""
