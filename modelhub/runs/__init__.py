"""Executions of stages: how one begins and ends, what is recorded of it, and how a stage goes row by row."""
