"""Put a persona about "the user" into the first person, grammatically. Pure functions, no language model.

Only what certainly speaks of the user is changed: the verb after "The user", verbs coordinated with it, and pronouns
as long as nobody else has been named. What stands in a clause on "someone who …" already agrees with that someone. A
persona that cannot be read so is left as it is: the third person is English, half of each is not.
"""

import re

_IRREGULAR = {
    "is": "am", "has": "have", "does": "do", "goes": "go", "was": "was", "isn't": "am not", "isn’t": "am not",
    "doesn't": "don't", "doesn’t": "don’t", "hasn't": "haven't", "hasn’t": "haven’t", "quizzes": "quiz",
    "aches": "ache", "focuses": "focus",
}  # fmt: skip

# Verbs that personas coordinate with the first one ("is practical and prefers …"). A closed list: an unknown word in
# -s is far more often a noun ("rules and regulations").
_COORDINATED = (
    "prefers", "prioritizes", "prioritises", "values", "likes", "dislikes", "wants", "enjoys", "seeks",
    "appreciates", "favors", "favours", "loves", "hates", "needs", "tends", "is", "isn't", "isn’t", "has", "hasn't",
    "hasn’t", "does", "doesn't", "doesn’t", "focuses", "believes", "thinks", "emphasizes", "emphasises", "avoids",
    "expects", "hopes", "wishes", "cares", "trusts", "distrusts", "finds", "feels", "looks", "works", "lives", "relies",
    "learns", "considers", "supports", "respects", "rejects", "helps", "reads", "writes", "goes", "knows",
    "understands",
    "asks", "says", "tells", "makes", "takes", "gives", "gets", "keeps", "lets", "puts", "brings", "buys", "sells",
    "spends", "eats", "sleeps", "speaks", "listens", "teaches", "owns", "swims", "sings", "wonders", "remembers",
    "forgets", "chooses", "decides", "solves", "explores", "collects", "admires", "accepts", "refuses", "requires",
    "dreads", "craves", "cherishes", "manages", "creates", "grows", "celebrates", "acknowledges", "embraces", "strives",
    "intends", "pays", "becomes", "begins", "ignores", "consults", "pursues", "cultivates",
)  # fmt: skip

# Also nouns: taken for verbs only where an object can follow.
_ALSO_NOUNS = {
    "values", "needs", "wants", "likes", "dislikes", "hopes", "wishes", "focuses", "supports", "works", "lives",
}  # fmt: skip
_NO_OBJECT = {"of", "in", "that", "over", "and", "or", "are", "rather", "as", "with", "at", "from", "instead", "than"}
# What begins an object and follows no plural noun: another word in -s before it is a verb, too, but for these.
_OBJECT = "(?:an?|the|their|his|her|this|these|every|each|it|them|no|something|nothing|everything)"

# What follows a noun, or begins another part of the sentence. What it is not follows a verb without an article.
_AFTER_NOUN = re.compile(
    r"|\w+(?:ed|ing|ly)|[a-z]|they|he|she|it|we|you|available|relevant|of|in|for|with|to|over|rather|than|as|that|which|who|when|on|at|by|from|"
    r"and|or|but|yet|is|are|was|were|without|about|if|instead|during|through|like|under|into|while|before|after|because|"
    r"where|so|against|regardless|beyond|between|among|towards?|even|whether|more|first|above|behind|such|since|until|"
    r"within|out|up|down|not|only|also|alone|too|alike|together|back|around|across|per|via|unless|though|although"
)
_NO_VERB = re.compile(
    r"\w{1,3}|\w+[su]s|this|always|sometimes|perhaps|besides|towards|afterwards|whereas|others?|theirs|ours|nowadays|grassroots"
)

_ADVERB = (
    r"(?:\w+ly|also|often|sometimes|just|still|always|never|ever|seldom|now|then|too|even|already|mostly|quite|rather|"
    r"almost|maybe|perhaps|not|both|either|once|today|soon|sometime|somewhat)"
)
_ADVERBS = rf"(?:{_ADVERB}\s+)*"
# Verbs that are the same for "the user" and for "I".
_SAME = (
    r"can|could|may|might|must|shall|should|will|would|ought|had|did|was|wasn['’]t|(?:could|would|should|must|did|had)"
    r"n['’]t|can['’]t|cannot|won['’]t|became|came|got|grew|kept|left|lost|made|met|moved|saw|spent|taught|took|went|won|"
    r"wrote|\w+ed"
)
_VERB = rf"(?:{_SAME}|[a-z]+[^\Ws]s|[a-z]+(?:ss|sh|ch|x|zz)es|is|has|(?:is|has|does)n['’]t)"
_OPENING = re.compile(
    rf"\b(?P<the>the|this) user(?:(?P<possessive>['’]s)\s+|\s+(?P<adverb>{_ADVERBS})(?P<verb>{_VERB})(?![\w'’-]))", re.I
)
_SUBJECT = re.compile(r"\b(?:the|this) user\b(?![-'’]\w)", re.I)
_ABOUT_USER = re.compile(r"(?:the|this) user\b(?!-)", re.I)
_ASIDE = re.compile(
    rf"(?:the|this) user, (?P<aside>[^.;:!?]+?), (?P<rest>{_ADVERBS}"
    rf"(?:{_SAME}|{'|'.join(_COORDINATED)})(?![\w'’-]).*)",
    re.I | re.S,
)
_WHO = re.compile(rf"^who\s+(?P<adverb>{_ADVERBS})(?P<verb>{_VERB})(?![\w'’-])")
_LEAD = rf"(?:,|\b(?:and|but|or|yet)|, (?:and|but|or|yet|so))\s+{_ADVERBS}"
_COORDINATION = re.compile(
    rf"(?P<lead>{_LEAD})(?P<verb>(?P<known>{'|'.join(_COORDINATED)})|[a-z]+s)\b(?![-'’])(?=(?P<next>\s+[\w-]+)?)"
)
_BARE = re.compile(rf"^I {_ADVERBS}(?P<verb>[a-z]+)(?P<list>(?:\s*{_LEAD}[a-z]+s\b(?![-'’]))+)")
_RELATIVE_TO_USER = re.compile(r"\bwho(?:\s+\w+ly|\s+also|\s+often)?\s+(?:\w+s|has|is)\b")
_CLAUSE_OF_ANOTHER = re.compile(rf"\b(?:that|which)\s+{_ADVERBS}\w+s\b")
_PRONOUNS = {
    "their": "my", "theirs": "mine", "them": "me", "themselves": "myself", "themself": "myself", "they": "I",
    "his": "my", "him": "me", "her": "me", "himself": "myself", "hers": "mine", "herself": "myself",
}  # fmt: skip
_BE = {"are": "am", "were": "was", "aren't": "am not", "aren’t": "am not"}
_PRONOUN = re.compile(
    r"\b(?:(?P<be>they)\s+(?P<form>are|were|aren['’]t)|(?P<short>(?:they['’](?:re|ve|d|ll)|s?he['’](?:d|ll)))"
    rf"|(?P<single>s?he)\s+(?P<adverb>{_ADVERBS})(?P<verb>{_VERB})(?![\w'’-])"
    r"|(?P<her>her)\b(?P<owned>\s+(?!to\b|and\b|or\b|but\b|with\b|in\b|at\b|when\b|if\b|so\b|than\b|as\b)[a-z-]+)?"
    r"|(?P<word>theirs|their|themselves|themself|them|they|himself|his|him|herself|hers))\b",
    re.I,
)
_OTHER_PEOPLE = re.compile(
    r"\b(?:others|people|individuals|children|kids|friends|parents|students|employees|colleagues|women|men|experts|"
    r"professionals|users|members|customers|victims|figures|those|assistants|everyone|someone else|adults|teenagers|"
    r"dogs|cats|pets|neighbou?rs|clients)\b",
    re.I,
)
# Somebody whom "he", "she" and their like may speak of as well.
_OTHER_PERSON = re.compile(
    r"\b(?:friend|mother|father|mum|mom|dad|wife|husband|partner|sons?|daughters?|sisters?|brothers?|grand\w+|boss|"
    r"doctor|teacher|neighbou?r|family|dog|cat|pet|child|baby|toddler|girlfriend|boyfriend|client|colleague)\b",
    re.I,
)


class _Unclear(Exception):
    """A sentence says something of the user that is not understood."""


def first_person(persona: str) -> str:
    """Return "I am practical and prefer …" for "The user is practical and prefers …".

    A persona that does not speak of "the user" (because it is in the first person already), or says of the user what
    is not understood, is returned unchanged.
    """
    if not _ABOUT_USER.match(persona.lstrip()):
        return persona
    sentences = re.split(r"(?<=[.!?])(\s+)", persona.strip())
    try:
        return "".join(_sentence(sentence) for sentence in sentences)
    except _Unclear:
        return persona


def _sentence(sentence: str) -> str:
    """Rewrite one sentence: its main clause word by word, the rest (after "who …") only where it names the user."""
    if aside := _ASIDE.fullmatch(sentence):
        said = _sentence(f"The user {aside['rest']}").removeprefix("I ")
        return f"I, {_pronouns(_coordinated(_WHO.sub(_who, aside['aside'])))}, {said}"
    relative = _RELATIVE_TO_USER.search(sentence)
    end = relative.start() if relative else len(sentence)
    main, rest = (_OPENING.sub(_opening, part) for part in (sentence[:end], sentence[end:]))
    if _SUBJECT.search(main) or _SUBJECT.search(rest):
        raise _Unclear
    return _pronouns(_coordinated(_BARE.sub(_bare, main))) + rest


def _opening(match: re.Match[str]) -> str:
    if match["possessive"]:
        return "My " if match["the"][0].isupper() else "my "
    return f"I {match['adverb']}{_to_first_person(match['verb'])}"


def _who(match: re.Match[str]) -> str:
    return f"who {match['adverb']}{_to_first_person(match['verb'])}"


def _bare(match: re.Match[str]) -> str:
    """Rewrite verbs that follow the first one without any object between: "reads, writes and codes"."""
    start = match.start("list") - match.start()
    return match[0][:start] + re.sub(
        rf"({_LEAD})([a-z]+s)\b",
        lambda verb: verb[0] if _NO_VERB.fullmatch(verb[2]) else f"{verb[1]}{_to_first_person(verb[2])}",
        match["list"],
    )


def _coordinated(text: str) -> str:
    other = _CLAUSE_OF_ANOTHER.search(text)
    boundary = other.start() if other else len(text)

    def replace(match: re.Match[str]) -> str:
        verb, following = match["verb"], (match["next"] or "").strip().lower()
        takes_object = re.fullmatch(_OBJECT, following) and not _NO_VERB.fullmatch(verb)
        if match["known"] is None and not takes_object:
            if match.start() < boundary and not _NO_VERB.fullmatch(verb) and not _AFTER_NOUN.fullmatch(following):
                raise _Unclear  # "tea and bakes bread" is no list of nouns
            return match[0]
        if verb in _ALSO_NOUNS and (not following or following in _NO_OBJECT):
            return match[0]
        # Behind "guidance that acknowledges …" only "and prefers" is safely the user's own verb.
        if match.start() > boundary and verb != "prefers":
            return match[0]
        return f"{match['lead']}{_to_first_person(verb)}"

    return _COORDINATION.sub(replace, text)


def _to_first_person(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if re.fullmatch(r"\w+(?:ss|sh|ch|x|zz|o)es", verb):
        return verb[:-2]
    if re.fullmatch(r"\w+[^aeiou]ies", verb):
        return f"{verb[:-3]}y"
    return verb[:-1] if re.fullmatch(r"\w+[^s]s", verb) else verb


def _pronouns(text: str) -> str:
    boundary, boundary_of_one = (
        other.start() if (other := people.search(text)) else len(text) for people in (_OTHER_PEOPLE, _OTHER_PERSON)
    )

    def replace(match: re.Match[str]) -> str:
        plural = match[0].lower().startswith("the")
        if match.start() > (boundary if plural else min(boundary, boundary_of_one)):
            return match[0]
        if match["be"]:
            return f"I {_BE[match['form'].lower()]}"
        if match["single"]:
            return f"I {match['adverb']}{_to_first_person(match['verb'])}"
        if match["short"]:
            ending = re.split("['’]", match["short"])[1]
            return f"I{'’' if '’' in match['short'] else chr(39)}{'m' if ending == 're' else ending}"
        word = f"my{match['owned']}" if match["owned"] else _PRONOUNS[(match["her"] or match["word"]).lower()]
        return word.capitalize() if match[0][0].isupper() and word != "I" else word

    return _PRONOUN.sub(replace, text)
