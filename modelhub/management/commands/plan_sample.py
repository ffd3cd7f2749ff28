"""Power of a planned study by simulation."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from annotation.management.base import ProjectCommand
from modelhub.management.options import finite, seed
from modelhub.stats.power import PlannedPower, PowerDesign, simulate_power


class Command(ProjectCommand):
    help = "Simulate the power of a paired design for every combination of --participants and --prompts."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = PowerDesign(participants=2, prompts=1, difference=0)
        parser.add_argument("--participants", type=int, nargs="+", required=True)
        parser.add_argument("--prompts", type=int, nargs="+", required=True, help="Per participant.")
        parser.add_argument("--difference", type=finite, required=True, help="True difference, in points.")
        parser.add_argument("--sd-participants", type=finite, default=default.sd_participants)
        parser.add_argument("--sd-prompts", type=finite, default=default.sd_prompts)
        parser.add_argument("--sd-residual", type=finite, default=default.sd_residual)
        parser.add_argument("--shared-prompts", action="store_true", help="All participants see the same prompts.")
        parser.add_argument("--pool", type=int, help="Prompts that participants share, each getting some of them.")
        parser.add_argument("--margin", type=finite, help="Also simulate non-inferiority with this margin.")
        parser.add_argument("--simulations", type=int, default=1000)
        parser.add_argument("--seed", type=seed, default=0)
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        shared = {name: options[name] for name in ("difference", "sd_participants", "sd_prompts", "sd_residual")}
        designs = [
            PowerDesign(
                people,
                prompts,
                shared_prompts=options["shared_prompts"],
                pool=options["pool"],
                margin=options["margin"],
                **shared,
            )
            for people in options["participants"]
            for prompts in options["prompts"]
        ]
        try:
            rows = [
                (design, simulate_power(design, simulations=options["simulations"], seed=options["seed"]))
                for design in tqdm(designs, disable=None, unit="design")
            ]
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(
            json.dumps([asdict(design) | found.model_dump(mode="json") for design, found in rows], indent=2)
            if options["json"]
            else _as_text(rows)
        )


def _as_text(rows: list[tuple[PowerDesign, PlannedPower]]) -> str:
    lines = ["participants  prompts  power  95 % Monte-Carlo interval"]
    for design, found in rows:
        low, high = found.power_ci
        line = f"{design.participants:>12}  {design.prompts:>7}  {found.power:.3f}  {low:.3f} to {high:.3f}"
        if found.non_inferiority_power is not None:
            line += f"  non-inferiority {found.non_inferiority_power:.3f}"
        if found.power_limit is not None and not found.impossible:
            line += f"  at most about {found.power_limit:.3f} with any number of participants"
        lines.append(f"{line}  impossible: {found.impossible}" if found.impossible else line)
    return "\n".join(lines)
