from django.core import checks
