"""Researchers' sign-in: locks against guessing, a second factor, and what the log says of both."""
