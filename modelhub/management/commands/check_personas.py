"""`manage.py check_personas`: ask which response the user of each persona would choose."""

from typing import Any

from modelhub.management.persona_judge_command import PersonaJudgeCommand
from modelhub.stages.judge_personas import CheckPersonas


class Command(PersonaJudgeCommand):
    help = "Ask a judge, in both orders, which response the user of each inferred persona would choose."

    def stage(self, options: dict[str, Any]) -> CheckPersonas:
        return CheckPersonas(**self.judging(options))
