"""Images belong to the study, once each, so that practice items and planted pairs can have them as well."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def _of_studies(apps: Any, schema_editor: Any) -> None:
    stored = apps.get_model("annotation", "ItemImage").objects.select_related("item")
    images = apps.get_model("annotation", "StudyImage").objects
    for one in stored.iterator(chunk_size=20):
        known = one.item.image
        images.get_or_create(
            study_id=one.item.study_id,
            sha256=one.sha256,
            defaults={
                "media_type": one.media_type, "data": one.data, "width": known["width"], "height": known["height"],
            },
        )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0018_adjudication"),
    ]

    operations = [
        migrations.AlterField(
            model_name="item",
            name="image",
            field=models.JSONField(blank=True, default=dict, help_text="{sha256, alt, width, height}; see StudyImage."),
        ),
        migrations.AlterField(
            model_name="study",
            name="practice",
            field=models.JSONField(default=list, help_text="[{prompt, persona, responses: [text, …], image}]"),
        ),
        migrations.CreateModel(
            name="StudyImage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("media_type", models.CharField(max_length=20)),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("data", models.BinaryField()),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="images", to="annotation.study"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("study", "sha256"), name="image_study_sha256")],
            },
        ),
        migrations.RunPython(_of_studies, migrations.RunPython.noop),
        migrations.DeleteModel(name="ItemImage"),
    ]
