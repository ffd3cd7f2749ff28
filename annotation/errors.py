"""Errors that services raise. Their message is written for the person who has to act on it."""

from datetime import timedelta


class ServiceError(Exception):
    """Something was asked for that cannot be done. The message says what, where, and what would be right."""


class NotAllowedNow(ServiceError):
    """The state of the study, participant or assignment does not allow this step."""


class TooMany(NotAllowedNow):
    """More was asked for than is let through within a time; `wait` is when to try again."""

    def __init__(self, message: str, *, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


class NotProven(NotAllowedNow):
    """Somebody comes under a known id, and nothing shows that they are that person."""


class UnknownQuestion(ServiceError):
    """An address that leads to no question of this participant."""


class ValueOutOfScale(ServiceError):
    """An answer that its scale does not have."""


class StaleVersion(ServiceError):
    """Another tab saved something newer; `current` is what stands in the database."""

    def __init__(self, message: str, *, current: object) -> None:
        super().__init__(message)
        self.current = current


class OutOfStep(ServiceError):
    """An answer to a question of the other step; `current` is what stands, None where it is yet to be asked."""

    def __init__(self, message: str, *, current: object = None) -> None:
        super().__init__(message)
        self.current = current


class OutputsWouldGo(ServiceError):
    """A change of a draft after which outputs no longer fit; `count` of them would be discarded."""

    def __init__(self, message: str, *, count: int) -> None:
        super().__init__(message)
        self.count = count
