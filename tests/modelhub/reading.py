"""Reading pages, for tests."""

from typing import Any

from django.test import Client
from lxml import html


def tree_of(response: Any) -> Any:
    """The elements of a page."""
    return html.fromstring(response.content)


def words_of(client: Client, address: str, **query: Any) -> str:
    """The words of the page at an address, which must be there."""
    response = client.get(address, query)
    assert response.status_code == 200
    return " ".join(" ".join(tree_of(response).itertext()).split())
