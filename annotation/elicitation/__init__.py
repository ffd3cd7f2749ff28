"""Elicited personas, the pure part: questions, the sentence they make, who gets them, and what is proposed.

services/elicitation.py and services/proposals.py write; docs/study-file.md describes the section of a study's file.
"""
