"""End with status 0 if the web server answers 200 at an address: `python healthy.py http://127.0.0.1:8000/ready`."""

import sys
import urllib.error
import urllib.request

TIMEOUT = 4.0  # seconds


def main(address: str) -> int:
    """Ask once, and say what was wrong."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # our own  # nosec B310
            return int(answer.status != 200)
    except (urllib.error.URLError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
