"""The figures of a report, drawn with the kit in plots/: which rows there are, and what stands beside them."""
