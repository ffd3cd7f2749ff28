"""Make failed outputs once more: `manage.py retry_outputs STUDY`."""

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count

from annotation.management.base import ProjectCommand
from annotation.models import Study
from annotation.services.outputs import outputs_failed, outputs_retry
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Say why outputs failed, and put those that can still be rated back into the queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--list", action="store_true", dest="only_list", help="Only say why they failed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """List the reasons and queue; raise CommandError where that cannot be done."""
        study = study_from_reference(options["study"])
        self._list(study)
        if not options["only_list"]:
            self._queue(study)

    def _list(self, study: Study) -> None:
        reasons = outputs_failed(study).values_list("arm__code", "error").annotate(n=Count("pk"))
        rows = list(reasons.order_by("-n", "arm__code", "error"))
        self.stdout.write(f"{study.slug}@{study.version}: {sum(n for *_, n in rows)} outputs failed.")
        for arm, error, n in rows:
            self.stdout.write(f"  {n} of {arm}: {error}")

    def _queue(self, study: Study) -> None:
        queued = outputs_retry(study=study, user=None)
        left = outputs_failed(study).count()
        self.stdout.write(f"{queued} back in the queue; run_worker makes them.")
        if left:
            self.stdout.write(f"{left} left as they are: whoever wrote the persona has gone on to another part.")
