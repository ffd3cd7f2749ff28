"""The pages that researchers and analysts open: guard, form, reads, render."""
