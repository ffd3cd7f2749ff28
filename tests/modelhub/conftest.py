"""Who reads the unblinded pages."""

import pytest
from django.test import Client

from annotation.models import User
from annotation.permissions import Role
from annotation.services.members import role_give
from tests.factories import make_user


@pytest.fixture
def analyst(db: None) -> User:
    user = make_user("analyst")
    role_give(user=user, role=Role.ANALYST)
    return User.objects.get(pk=user.pk)


@pytest.fixture
def reader(analyst: User, client: Client) -> Client:
    client.force_login(analyst)
    return client
