"""Let bots take a study on a running server: `manage.py simulate_study STUDY --participants 20`."""

from collections import Counter
from typing import Any

import httpx
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.botopinions import effects_of
from annotation.bots import BotReport
from annotation.botwalks import Walkers
from annotation.management.base import ProjectCommand, served_address
from annotation.models import Participant, Study
from annotation.services.participants import participant_create
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Let bots take a study through a running server. Their answers are kept apart from people's."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug (its newest version) or slug@version")
        parser.add_argument("--participants", type=int, required=True, metavar="N")
        parser.add_argument("--url", help="Where the server runs. Default: where demo serves, else port 8000.")
        parser.add_argument("--concurrency", type=int, default=4, help="How many bots walk at a time.")
        parser.add_argument("--seed", type=int, default=0, help="Decides every answer.")
        parser.add_argument(
            "--careless", type=float, default=0, metavar="SHARE", help="Share of bots that read no check and no quiz."
        )
        parser.add_argument(
            "--effect",
            action="append",
            default=[],
            metavar="ASPECT:ARM=POINTS",
            help="Bots rate by a latent quality, with these points on top for an arm, or for a block of personas.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk and report; raise CommandError if no server answers or a bot fails."""
        if options["participants"] < 1 or options["concurrency"] < 1:
            raise CommandError("--participants and --concurrency must be at least 1.")
        if not 0 <= options["careless"] <= 1:
            raise CommandError("--careless is a share, from 0 (nobody) to 1 (everybody).")
        study = study_from_reference(options["study"])
        effects = effects_of(study, options["effect"])
        url = (options["url"] or served_address()).rstrip("/")
        _check(study, url)
        walkers = Walkers.of(study, url, seed=options["seed"], careless=options["careless"], effects=effects)
        bots = [participant_create(study=study, kind=Participant.Kind.BOT) for _ in range(options["participants"])]
        walks = tqdm(walkers.walk(bots, options["concurrency"]), total=len(bots), unit="bot", file=self.stderr)
        self._tell(sorted(walks, key=lambda report: report.code))

    def _tell(self, reports: list[BotReport]) -> None:
        failed = [report for report in reports if report.error]
        ended = Counter(report.step for report in reports if not report.error)
        ratings = sum(report.ratings for report in reports)
        self.stdout.write(
            f"{ended['done']} completed, {ended['full']} found no place left, {len(failed)} failed; "
            f"{ratings} ratings made."
        )
        if ended["screened_out"]:
            self.stdout.write(f"{ended['screened_out']} did not pass the quiz.")
        if failed:
            raise CommandError("\n".join(f"{report.code}: {report.error}" for report in failed))


def _check(study: Study, url: str) -> None:
    if study.state != Study.State.OPEN:
        raise CommandError(
            f"{study} is {study.state}; bots can take an open study only: manage.py open_study {study.slug}"
        )
    try:
        httpx.get(f"{url}/", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(
            f"No server answers at {url} ({type(error).__name__}). Start one (`manage.py runserver`), "
            "or say where it is with --url."
        ) from error
