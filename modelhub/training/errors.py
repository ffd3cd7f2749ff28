"""What training raises when it cannot begin or go on."""


class TrainingError(Exception):
    """Training was asked for what cannot be. The message says what is wrong, where, and what would be right."""
