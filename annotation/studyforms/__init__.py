"""Forms for every section of the study file, made from its schema: a new key there is a new input here.

A form has a *state*, plain data that may be wrong and keeps what was typed: `states.py` reads it from what is sent and
changes its rows, `bound.py` makes inputs of it, and `settled` makes of it what a study file would hold.
"""
