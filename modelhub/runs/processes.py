"""Whether a process of this machine still lives."""

import os


def is_alive(pid: int) -> bool:
    """Return whether a process of this number runs on this machine, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
