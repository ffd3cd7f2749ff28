"""What may stand in an address beyond what Django knows."""

from django.urls import register_converter
from django.urls.converters import IntConverter


class NumberConverter(IntConverter):
    """A number that a database can look up; there is nothing at the address of a longer one."""

    regex = "[0-9]{1,18}"


register_converter(NumberConverter, "number")
