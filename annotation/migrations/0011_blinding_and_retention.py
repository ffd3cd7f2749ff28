"""Forget the tallies: they count arms in the order of the study file, and from now on in the order of their codes.

They follow from the assignments, and are made anew when somebody needs them: studies under way go on.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def forget(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Delete all tallies, in either direction."""
    apps.get_model("annotation", "UnitTally").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("annotation", "0009_failed_outputs")]
    operations = [migrations.RunPython(forget, forget)]
