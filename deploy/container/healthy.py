"""End with status 0 if the web server answers 200 at an address: `python healthy.py http://127.0.0.1:8000/ready`."""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT = 4.0  # seconds


def main(address: str) -> int:
    """Ask as the proxy does: by a name that the site answers to, and as if HTTPS were spoken in front."""
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip() or "localhost"
    request = urllib.request.Request(address, headers={"Host": host, "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return int(answer.status != 200)
    except (urllib.error.URLError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
