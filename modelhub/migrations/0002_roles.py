"""The two groups of accounts; analysts may unblind."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_groups(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Make the groups, and the permission ahead of Django, which makes permissions only after all migrations."""
    group = apps.get_model("auth", "Group").objects
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="modelhub", model="system")
    unblind, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="unblind", defaults={"name": "Can see which system stands behind an arm"}
    )
    group.get_or_create(name="researchers")
    analysts, _ = group.get_or_create(name="analysts")
    analysts.permissions.add(unblind)


class Migration(migrations.Migration):
    dependencies = [
        ("modelhub", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
