#!/usr/bin/env python
"""Command-line entry point: `python manage.py help` lists every command."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from personaeval.storage import storage_problem

    # What commands write holds what people wrote: exports, copies, models, whoever may look into the folder.
    os.umask(0o077)
    try:
        execute_from_command_line(sys.argv)
    except (DatabaseError, OSError) as error:
        # The one place for all commands: a full disk or a database that may not be written is no fault of the code.
        if problem := storage_problem(error):
            sys.exit(f"CommandError: {problem}")
        raise


if __name__ == "__main__":
    main()
