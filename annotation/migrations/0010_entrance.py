"""Places of open links are counted from the people who hold them, and ids are compared without regard to case."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from annotation.fields import id_key


def key_ids(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give each id its key. Where two people of a study have ids that differ in case alone, the later stays as it is."""
    participants = apps.get_model("annotation", "Participant")
    seen: set[tuple[int, str]] = set()
    for person in participants.objects.exclude(external_id="").order_by("pk").only("study_id", "external_id"):
        key = id_key(person.external_id)
        if (person.study_id, key) in seen:
            key = f"{key}\n{person.external_id}"[:300]
        seen.add((person.study_id, key))
        participants.objects.filter(pk=person.pk).update(external_key=key)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0009_failed_outputs")]

    operations = [
        migrations.RemoveConstraint(model_name="openlink", name="open_link_within_cap"),
        migrations.RemoveField(model_name="openlink", name="joined"),
        migrations.RemoveConstraint(model_name="participant", name="participant_study_external_id"),
        migrations.AddField(
            model_name="participant",
            name="external_key",
            field=models.CharField(blank=True, help_text="What `external_id` is compared by.", max_length=300),
        ),
        migrations.RunPython(key_ids, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="participant",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_key", ""), _negated=True),
                fields=("study", "external_key"),
                name="participant_study_external_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="participant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("external_id", ""), ("external_key", "")),
                    models.Q(
                        models.Q(("external_id", ""), _negated=True), models.Q(("external_key", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="participant_external_id_has_key",
            ),
        ),
        migrations.AddField(
            model_name="openlink",
            name="hold_minutes",
            field=models.PositiveSmallIntegerField(default=15, help_text="For how long a place is held."),
        ),
        migrations.AddField(
            model_name="openlink",
            name="per_hour",
            field=models.PositiveIntegerField(default=300, help_text="Arrivals in an hour."),
        ),
        migrations.AddField(
            model_name="openlink",
            name="per_network",
            field=models.PositiveIntegerField(default=30, help_text="Arrivals in an hour from one network address."),
        ),
        migrations.AddField(
            model_name="openlink",
            name="shared_browsers",
            field=models.BooleanField(default=False, help_text="Several people may start in one browser."),
        ),
        migrations.AddField(
            model_name="openlink",
            name="question",
            field=models.CharField(
                blank=True, help_text="Asked of whoever starts, as proof of a person.", max_length=300
            ),
        ),
        migrations.AddField(
            model_name="openlink",
            name="answers",
            field=models.JSONField(blank=True, default=list, help_text="The answers to the question that are taken."),
        ),
        migrations.CreateModel(
            name="Arrival",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", models.CharField(blank=True, max_length=32)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "open_link",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="arrivals",
                        to="annotation.openlink",
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["open_link", "at"], name="arrival_link_at")]},
        ),
    ]
