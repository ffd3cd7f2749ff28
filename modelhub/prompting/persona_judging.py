"""What a judge of personas is asked. Pure functions; the wording is ours, the questions those of Balepur et al. (2025).

Both texts end so that a chat model and a plain completion go on in the same way: reasons, then a line with the verdict.
"""

from modelhub.profiles import DatasetProfile
from modelhub.prompting.answers import labelled, on_one_line

# Names and versions: raise a version whenever a change below alters a rendered character.
ACCURACY_RUBRIC = "persona-accuracy/1"
COMPARISON_RUBRIC = "persona-comparison/1"

_ACCURACY = """\
Your task is to predict which of two responses a user would choose.
{task}
Below are a prompt, two responses to it, and the persona of a user. Put yourself in this user's place and decide which \
response the user would choose. Let the persona alone decide: which response you like better, find more correct or \
more complete does not matter, and neither does the order in which they stand."""
_COMPARISON = """\
Your task is to decide which of two personas is the better one.
{task}
Below are a prompt and two responses to it. Each response comes with a persona: a sentence about a user who is said to \
prefer that response to the other. Decide which persona is better. The better one explains more plausibly why somebody \
would prefer its response, fits that response and not the other, and describes a kind of user that there is, in terms \
that would hold elsewhere too. Judge the personas: which response you like better does not matter, and neither does \
the order in which they stand."""
_CLOSING = """\
Give your reasons in one or two sentences. Then write your verdict on a line of its own, either "Verdict: A" or \
"Verdict: B", and nothing after it. There is no tie.

Reasons:"""


def render_accuracy(
    profile: DatasetProfile, *, prompt: str, response_a: str, response_b: str, persona: str
) -> str:  # fmt: skip
    """Return the question which response the described user would choose, A or B. Raises ValueError on a blank text."""
    case = [*_responses(profile, prompt, response_a, response_b), labelled("Persona", on_one_line(persona))]
    return accuracy_opening(profile) + "\n\n".join(["\n".join(case), _CLOSING])


def accuracy_opening(profile: DatasetProfile) -> str:
    """Return what `render_accuracy` begins with, whatever is judged."""
    return f"{_ACCURACY.format(task=profile.task)}\n\n"


def render_comparison(
    profile: DatasetProfile, *, prompt: str, response_a: str, response_b: str, persona_a: str, persona_b: str
) -> str:
    """Return the question which persona is the better one, A's or B's. Raises ValueError on a blank text."""
    case = [
        *_responses(profile, prompt, response_a, response_b),
        labelled("Persona A, said to prefer Response A", on_one_line(persona_a)),
        labelled("Persona B, said to prefer Response B", on_one_line(persona_b)),
    ]
    return comparison_opening(profile) + "\n\n".join(["\n".join(case), _CLOSING])


def comparison_opening(profile: DatasetProfile) -> str:
    """Return what `render_comparison` begins with, whatever is judged."""
    return f"{_COMPARISON.format(task=profile.task)}\n\n"


def _responses(profile: DatasetProfile, prompt: str, response_a: str, response_b: str) -> list[str]:
    return [
        labelled("Prompt", profile.clean_prompt(prompt)),
        labelled("Response A", profile.clean_response(response_a)),
        labelled("Response B", profile.clean_response(response_b)),
    ]
