"""Studies that help to write personas, and people on their writing pages."""

import re
import uuid
from typing import Any

from annotation.elicitation.questions import DEFAULT_QUESTIONS, answer_field
from annotation.models import Assignment, Output, Persona, Study
from tests.annotation.walking import Walker
from tests.factories import make_study

SHORT = "Walk to the lake. Sit down. Look around."
LONG = (
    "There are many things to be done on such an evening, and which of them fits you depends on how you feel. "
    "You might walk to the lake, for example, or perhaps read a book that you have wanted to read for a while."
)


def elicitation(**changes: Any) -> dict[str, Any]:
    """Return the section as it is stored, with our own questions."""
    return {"condition": "elicited", "questions": [dict(question) for question in DEFAULT_QUESTIONS], **changes}


def make_eliciting_study(*, written: int = 2, slug: str = "study", **changes: Any) -> Study:
    """Return an open study in which everybody writes so many personas, and is helped."""
    study = make_study(
        slug=slug, given_items=0, given_per_participant=0, written_items=written + 1, written_per_participant=written,
        raters_per_item=50,
    )  # fmt: skip
    Study.objects.filter(pk=study.pk).update(elicitation=elicitation(**changes))
    study.refresh_from_db()
    return study


class Writer(Walker):
    """Somebody on the writing page: one page load, so one tab."""

    tab = uuid.UUID(int=1)

    @property
    def persona(self) -> Persona:
        return Persona.objects.get(pk=self.assignment.persona_id)

    def form(self, text: str = "", **answers: str) -> dict[str, Any]:
        """The form of the page as it stands, with this in the box and these answers."""
        found = re.search(r'name="answers_version" value="([^"]*)"', self.get().content.decode())
        return {
            "text": text,
            "version": self.persona.draft_version,
            "tab": self.tab,
            "answers_version": found[1] if found else "",
            **{answer_field(key): answer for key, answer in answers.items()},
        }

    def send(self, where: str, form: dict[str, Any], *, htmx: bool = False) -> Any:
        headers = {"HX-Request": "true"} if htmx else {}
        return self.client.post(f"{self.base}parts/{self.assignment.key}/{where}/", form, headers=headers)

    def assemble(self, text: str = "", *, htmx: bool = False, **answers: str) -> Any:
        return self.send("assemble", self.form(text, **answers), htmx=htmx)

    def rate(self, *, liked: int = 5, other: int = 2, texts: tuple[str, str] = (SHORT, LONG)) -> Assignment:
        """Let both responses be there, the first of `texts` be rated higher, and go on."""
        assignment = self.assignment
        for output, text in zip(Output.objects.filter(persona=assignment.persona).order_by("arm"), texts, strict=True):
            Output.objects.filter(pk=output.pk).update(state="ready", ready_at="2030-01-01T00:00Z", text=text)
        answers = self.answers()
        values = {slot.key: liked if slot.output.text == texts[0] else other for slot in assignment.slots.all()}
        for name in answers:
            if name.startswith("answer-"):
                answers[name] = values[name.split("-")[1]]
        assert self.post(f"parts/{assignment.key}/complete/", **answers).status_code == 302
        return assignment
