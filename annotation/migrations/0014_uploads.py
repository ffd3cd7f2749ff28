import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0013_responses"),
    ]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("items", "Items: prompts, with personas where they are given"),
                            ("personas", "Personas for items that are there"),
                            ("outputs", "Outputs: responses that were made elsewhere"),
                        ],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(help_text="Of the file, without its folders.", max_length=120)),
                ("content", models.BinaryField()),
                ("size", models.PositiveIntegerField()),
                (
                    "columns",
                    models.JSONField(
                        blank=True, default=dict, help_text="{field: column}, where somebody has chosen them."
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        blank=True, default=dict, help_text="How rows are taken; see services/uploads.py."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uploads", to="annotation.study"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
    ]
