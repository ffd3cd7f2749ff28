"""Keep time limits and what they have erased, and forget the tallies.

Tallies count arms in the order of the study file, and from now on in the order of their codes. They follow from the
assignments and are made anew when somebody needs them: studies under way go on.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def forget(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Delete all tallies, in either direction."""
    apps.get_model("annotation", "UnitTally").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("annotation", "0010_entrance")]
    operations = [
        migrations.AddField(
            model_name="study",
            name="key_destroyed_at",
            field=models.DateTimeField(blank=True, help_text="Since when nobody can say who is whom.", null=True),
        ),
        migrations.AddField(model_name="study", name="retention", field=models.JSONField(blank=True, default=dict)),
        migrations.CreateModel(
            name="RetentionStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ids", "The key that says which participant is whom"),
                            ("free_text", "What participants wrote"),
                            ("everything", "Everything that participants gave"),
                        ],
                        max_length=10,
                    ),
                ),
                ("done_at", models.DateTimeField(auto_now_add=True)),
                ("counts", models.JSONField(default=dict)),
                (
                    "files_cleaned",
                    models.BooleanField(default=False, help_text="The database's files hold no deleted text any more."),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="retention_steps",
                        to="annotation.study",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [models.UniqueConstraint(fields=("study", "kind"), name="retention_step_once")],
            },
        ),
        migrations.RunPython(forget, forget),
    ]
