"""What the compared models answer to the test prompts, for personas of each source; kept as they are made."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from annotation.errors import ServiceError
from benchmarks.experiment.design import Design, request_of
from benchmarks.experiment.measuring import model_and_adapter
from benchmarks.tailoring import Row
from modelhub.engines.base import EngineSettings, GenerationFailure
from modelhub.engines.transformers.engine import create

SOURCES = {
    "gold_chosen": "chosen_persona_gold",
    "gold_rejected": "rejected_persona_gold",
    "retrieved_chosen": "chosen_persona_retr",
    "retrieved_rejected": "rejected_persona_retr",
}
_AHEAD = 8

Place = tuple[str, int]
"""A persona's source and the number of the row."""


def answer(design: Design, arm: str, trained: Path | None, rows: Sequence[Row], path: Path) -> None:
    """Write the arm's answers to every row and source as JSON lines, those that are not there yet.

    `prompt` and `response` are as in the authors' released outputs. Raises ServiceError for one that cannot be made.
    """
    asked = [
        (place, request_of(rows[place[1]], rows[place[1]][SOURCES[place[0]]], design.style_of(arm)))
        for place in _missing(path, rows)
    ]
    if not asked:
        return
    engine = create(EngineSettings(
        *model_and_adapter(design.model, trained),
        decoding={"max_new_tokens": design.new_tokens, "min_new_tokens": 1, "chat": design.chat},
    ))  # fmt: skip
    answers = engine.stream((request for _, request in asked), ahead=_AHEAD)
    with path.open("a", encoding="utf-8") as file:
        for number, result in tqdm(answers, total=len(asked), desc=path.stem, unit="answer", mininterval=5):
            (source, row), request = asked[number]
            if isinstance(result, GenerationFailure):
                raise ServiceError(f"{path.stem}, row {row}, {source}: {result.error}")
            told = {"source": source, "row": row, "prompt": request.rendered, "persona": request.persona,
                    "response": result.text.strip(), "finish_reason": result.finish_reason}  # fmt: skip
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
            file.flush()


def _missing(path: Path, rows: Sequence[Row]) -> list[Place]:
    made = kept_answers(path)
    return [(source, row) for source in SOURCES for row in range(len(rows)) if (source, row) not in made]


def kept_answers(path: Path) -> Mapping[Place, Mapping[str, str]]:
    """Return the answers written so far by source and row; a line that a kill left half-written goes."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        path.write_text("".join(whole), encoding="utf-8")
    made = [json.loads(line) for line in whole]
    return {(one["source"], int(one["row"])): one for one in made}
