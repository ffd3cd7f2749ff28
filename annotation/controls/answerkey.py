"""The answer key that bots need to be careful in a rehearsal of a study."""

from annotation.botattention import AnswerKey
from annotation.models import Output, Study


def answer_key_of(study: Study) -> AnswerKey:
    """Return the right answers of the study's quiz and the bad responses of its planted pairs."""
    bad = Output.objects.filter(arm__study=study, planted=Output.Planted.BAD).values_list("text", flat=True)
    return AnswerKey(
        quiz={
            question["question"]: question["options"][question["answer"] - 1]
            for question in study.quiz.get("questions", [])
        },
        bad=frozenset(text.strip() for text in bad),
    )
