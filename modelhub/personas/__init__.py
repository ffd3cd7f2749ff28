"""Personas of preference pairs: asked for, read, screened, chosen by their source, brought into studies."""
