"""What retrieval cannot do, said for the person who has to act on it. Pure."""

from annotation.errors import ServiceError


class RetrievalError(ServiceError):
    """A checkpoint, collection or index that cannot be used; the message says which, why, and what would be right."""
