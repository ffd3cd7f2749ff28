"""What later runs are held to gets columns of its own; earlier runs kept it among their arguments."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_from_arguments(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    runs = apps.get_model("modelhub", "Run").objects.using(editor.connection.alias)
    for pk, arguments in runs.values_list("pk", "arguments").order_by("pk").iterator():
        if arguments.get("conditions"):
            runs.filter(pk=pk).update(subject=arguments.get("subject", ""), conditions=arguments["conditions"])


class Migration(migrations.Migration):
    dependencies = [("modelhub", "0005_judged_values")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="conditions",
            field=models.JSONField(default=dict, help_text="All that shapes its rows, beside the system."),
        ),
        migrations.AddField(
            model_name="run",
            name="subject",
            field=models.TextField(
                blank=True, help_text="What its rows are about: those of one subject are made alike."
            ),
        ),
        migrations.RunPython(take_from_arguments, migrations.RunPython.noop),
    ]
