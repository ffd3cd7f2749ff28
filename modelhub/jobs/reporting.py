"""A study's report, for a page and as files."""

import tempfile
from pathlib import Path

from django.db import transaction

from annotation.errors import ServiceError
from annotation.export import export_refusal
from annotation.export.zipped import folder_zipped
from annotation.models import Study
from modelhub.analysis.data import load_data
from modelhub.analysis.results import analyze_data, parts_of
from modelhub.models import Job, JobFile
from modelhub.report.bundle import RESULTS, bundle_write
from modelhub.report.live import state_of_data
from modelhub.runs.recording import Execution

REPORT = "report.zip"


def report_make(job: Job, execution: Execution) -> None:
    """Compute the report, and keep its results and its files.

    Raises:
        ServiceError: the study's definition is not what was frozen.
    """
    study, include_bots = job.study, bool(job.arguments["include_bots"])
    if refusal := export_refusal(study):
        raise ServiceError(refusal)
    # Taken first: what is answered meanwhile makes the report older than the data, never newer.
    state = state_of_data(study, include_bots=include_bots)
    data = load_data(study, include_bots=include_bots, blinded=job.kind == Job.Kind.BLINDED_REPORT)
    execution.expect(parts_of(data))
    results = analyze_data(data, command=execution.run.command, include_bots=include_bots, advance=execution.advance)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / _folder_name(study)
        bundle_write(directory=folder, results=results, data=data)
        packed = folder_zipped(folder).read()
        kept = (folder / RESULTS).read_bytes()
    with transaction.atomic():
        JobFile.objects.filter(job=job).delete()
        JobFile.objects.create(job=job, name=RESULTS, content=kept)
        JobFile.objects.create(job=job, name=REPORT, content=packed)
        job.findings = {"include_bots": include_bots, "state": state}
        job.save(update_fields=["findings"])


def _folder_name(study: Study) -> str:
    return f"{study.slug}-v{study.version}-report"
