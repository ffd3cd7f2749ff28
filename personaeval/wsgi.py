"""WSGI entry point: `gunicorn personaeval.wsgi --threads 8`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
application = get_wsgi_application()
