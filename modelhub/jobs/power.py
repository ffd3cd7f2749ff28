"""Simulations of power for the planner's page, one design after the other."""

from dataclasses import asdict
from typing import Any

from annotation.errors import ServiceError
from modelhub.models import Job
from modelhub.runs.recording import Execution
from modelhub.stats.power import PowerDesign, simulate_power


def power_simulate(job: Job, execution: Execution) -> None:
    """Simulate each design that is asked for and not simulated yet.

    Raises:
        ServiceError: a design makes no sense.
    """
    points: list[dict[str, Any]] = job.findings.setdefault("points", [])
    designs = power_designs(job.arguments)
    execution.expect(len(designs))
    execution.advance(len(points))
    for design in designs[len(points) :]:
        try:
            found = simulate_power(design, simulations=job.arguments["simulations"], seed=job.arguments["seed"])
        except ValueError as error:
            raise ServiceError(f"This cannot be simulated: {error}.") from error
        points.append({**asdict(design), **found.model_dump(mode="json")})
        job.save(update_fields=["findings"])
        execution.advance(1)


def power_designs(arguments: dict[str, Any]) -> list[PowerDesign]:
    """Return the designs of a job: every number of participants with every number of prompts."""
    return [
        PowerDesign(participants, prompts, **arguments["assumed"])
        for prompts in arguments["prompts"]
        for participants in arguments["participants"]
    ]
