from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("modelhub", "0015_procedures"),
    ]

    operations = [
        migrations.AddField(
            model_name="system",
            name="adapter_probe",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="{difference, dtype} of logits with the adapter and without, or {not_tried}; {} if not probed.",
            ),
        ),
        migrations.AlterField(
            model_name="generation",
            name="finish_reason",
            field=models.CharField(
                help_text="`stop`, `length` (cut off), `content_filter`, `refusal`, `tool_calls` or `unknown`.",
                max_length=20,
            ),
        ),
    ]
