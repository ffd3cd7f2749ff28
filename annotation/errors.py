"""Errors that services raise. Their message is written for the person who has to act on it."""


class ServiceError(Exception):
    """Something was asked for that cannot be done. The message says what, where, and what would be right."""


class NotAllowedNow(ServiceError):
    """The state of the study, participant or assignment does not allow this step."""


class UnknownQuestion(ServiceError):
    """An address that leads to no question of this participant."""


class ValueOutOfScale(ServiceError):
    """An answer that its scale does not have."""


class StaleVersion(ServiceError):
    """Another tab saved something newer; `current` is what stands in the database."""

    def __init__(self, message: str, *, current: object) -> None:
        super().__init__(message)
        self.current = current
