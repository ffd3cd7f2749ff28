"""`manage.py compare_personas`: ask which of a pair's personas is better."""

from typing import Any

from modelhub.management.persona_judge_command import PersonaJudgeCommand
from modelhub.stages.judge_personas import ComparePersonas


class Command(PersonaJudgeCommand):
    help = "Ask a judge, in both orders, which of the two personas of each pair is the better one."

    def stage(self, options: dict[str, Any]) -> ComparePersonas:
        return ComparePersonas(**self.judging(options))
