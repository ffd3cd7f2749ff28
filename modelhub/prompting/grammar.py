"""Put a persona about "the user" into the first person, grammatically. Pure functions, no language model.

Only what surely speaks of the user is changed: the verb after "The user", verbs coordinated with it, and pronouns as
long as nobody else has been named. What stands in a clause on "someone who …" already agrees with that someone.
"""

import re

_IRREGULAR = {
    "is": "am", "has": "have", "does": "do", "goes": "go", "was": "was", "isn't": "am not", "isn’t": "am not",
    "doesn't": "don't", "doesn’t": "don’t", "hasn't": "haven't", "hasn’t": "haven’t",
}  # fmt: skip

# Verbs that personas coordinate with the first one ("is practical and prefers …"). A closed list: an unknown word in
# -s is far more often a noun ("rules and regulations").
_COORDINATED = (
    "prefers", "prioritizes", "prioritises", "values", "likes", "dislikes", "wants", "enjoys", "seeks",
    "appreciates", "favors", "favours", "loves", "hates", "needs", "tends", "is", "isn't", "has", "does",
    "doesn't", "focuses", "believes", "thinks", "emphasizes", "emphasises", "avoids", "expects", "hopes",
    "wishes", "cares", "trusts", "distrusts", "finds", "feels", "looks", "works", "lives", "relies", "learns",
    "considers", "supports", "respects", "rejects", "helps",
)  # fmt: skip

# Also nouns: taken for verbs only where an object can follow.
_ALSO_NOUNS = {
    "values",
    "needs",
    "wants",
    "likes",
    "dislikes",
    "hopes",
    "wishes",
    "focuses",
    "supports",
    "works",
    "lives",
}
_NO_OBJECT = {"of", "in", "that", "over", "and", "or", "are", "rather", "as", "with", "at", "from", "instead", "than"}

_OPENING = re.compile(
    r"\b(?:the|this) user(?P<possessive>['’]s)?\s+(?P<adverb>(?:\w+ly|also|often)\s+)?(?P<verb>[\w'’]+)", re.I
)
_COORDINATION = re.compile(
    r"(?P<lead>(?:,|\b(?:and|but|or)|, (?:and|but|or))\s+(?:(?:also|often|always|never|\w+ly)\s+)?)"
    rf"(?P<verb>{'|'.join(_COORDINATED)})\b(?![-'’])(?P<next>\s+[\w-]+)?"
)
_RELATIVE_TO_USER = re.compile(r"\bwho(?:\s+\w+ly|\s+also|\s+often)?\s+(?:\w+s|has|is)\b")
_CLAUSE_OF_ANOTHER = re.compile(r"\b(?:that|which)\s+\w+s\b")
_PRONOUNS = {
    "their": "my", "theirs": "mine", "them": "me", "themselves": "myself", "themself": "myself", "they": "I",
}  # fmt: skip
_BE = {"are": "am", "were": "was", "aren't": "am not", "aren’t": "am not", "they're": "I'm", "they’re": "I’m"}
_PRONOUN = re.compile(
    r"\b(?:(?P<be>they)\s+(?P<form>are|were|aren['’]t)|(?P<short>they['’](?:re|ve|d|ll))|(?P<word>their|theirs|them|themselves|themself|they))\b",
    re.I,
)
_OTHER_PEOPLE = re.compile(
    r"\b(?:others|people|individuals|children|kids|friends|parents|students|employees|colleagues|women|men|experts|"
    r"professionals|users|members|customers|victims|figures|those|assistants|everyone|someone else|adults|teenagers)\b",
    re.I,
)


def first_person(persona: str) -> str:
    """Return "I am practical and prefer …" for "The user is practical and prefers …".

    A persona that does not speak of "the user" (because it is in the first person already) is returned unchanged.
    """
    if not _OPENING.match(persona.lstrip()):
        return persona
    sentences = re.split(r"(?<=[.!?])(\s+)", persona.strip())
    return "".join(_sentence(sentence) for sentence in sentences)


def _sentence(sentence: str) -> str:
    """Rewrite one sentence: its main clause word by word, the rest (after "who …") only where it names the user."""
    relative = _RELATIVE_TO_USER.search(sentence)
    end = relative.start() if relative else len(sentence)
    main = _OPENING.sub(_opening, sentence[:end])
    rest = _OPENING.sub(_opening, sentence[end:])
    return _pronouns(_coordinated(main)) + rest


def _opening(match: re.Match[str]) -> str:
    if match["possessive"]:
        word = "My" if match[0][0].isupper() else "my"
        return f"{word} {match['adverb'] or ''}{match['verb']}"
    return f"I {match['adverb'] or ''}{_to_first_person(match['verb'])}"


def _coordinated(text: str) -> str:
    other = _CLAUSE_OF_ANOTHER.search(text)
    boundary = other.start() if other else len(text)

    def replace(match: re.Match[str]) -> str:
        verb, following = match["verb"], (match["next"] or "").strip().lower()
        if verb in _ALSO_NOUNS and (not following or following in _NO_OBJECT):
            return match[0]
        # Behind "guidance that acknowledges …" only "and prefers" is safely the user's own verb.
        if match.start() > boundary and verb != "prefers":
            return match[0]
        return f"{match['lead']}{_to_first_person(verb)}{match['next'] or ''}"

    return _COORDINATION.sub(replace, text)


def _to_first_person(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if re.fullmatch(r"\w+(?:ss|sh|ch|x|zz|o)es", verb):
        return verb[:-2]
    if re.fullmatch(r"\w+[^aeiou]ies", verb):
        return f"{verb[:-3]}y"
    if re.fullmatch(r"\w+[^s]s", verb) and verb != "focus":
        return verb[:-2] if verb == "focuses" else verb[:-1]
    return verb


def _pronouns(text: str) -> str:
    other = _OTHER_PEOPLE.search(text)
    boundary = other.start() if other else len(text)

    def replace(match: re.Match[str]) -> str:
        if match.start() > boundary:
            return match[0]
        if match["be"]:
            return f"I {_BE[match['form'].lower()]}"
        if match["short"]:
            ending = match["short"][4:]
            return f"I{'’' if '’' in ending else chr(39)}{'m' if ending.endswith('re') else ending[1:]}"
        return _PRONOUNS[match["word"].lower()]

    return _PRONOUN.sub(replace, text)
