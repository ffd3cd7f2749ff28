"""Participants that click as fast as a server answers, and the servers they click on: see `benchmarks.load`."""
