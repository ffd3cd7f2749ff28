"""What somebody says of themselves, said of “the user”: pure, by rules, in English."""

import re
from itertools import groupby

_REFUSALS = frozenset({
    "none", "nothing", "no", "nope", "nil", "n/a", "na", "idk", "dunno",
    "no idea", "not sure", "don't know", "i don't know", "i do not know", "nothing special", "nothing in particular",
    "no preference", "no preferences", "i have no idea", "i am not sure", "i'm not sure",
})  # fmt: skip
# Of verbs that follow “I”, the forms that follow “the user”; all others take an -s.
_IRREGULAR = {
    "am": "is", "have": "has", "do": "does", "don't": "does not", "haven't": "has not", "can't": "cannot",
    "won't": "will not", "wouldn't": "would not", "couldn't": "could not", "shouldn't": "should not",
    "didn't": "did not", "wasn't": "was not",
}  # fmt: skip
_UNCHANGED = frozenset({
    "is", "has", "does", "was", "had", "did", "will", "would", "can", "cannot", "could", "should", "shall",
    "may", "might", "must", "used", "ought", "wasn't",
})  # fmt: skip
_ADVERBS = frozenset({
    "just", "really", "only", "also", "always", "usually", "often", "mostly", "sometimes", "never", "rarely",
    "seldom", "still", "already", "actually", "simply", "generally", "normally", "currently", "definitely",
    "absolutely", "strongly", "very", "much", "personally", "honestly", "mainly", "typically",
})  # fmt: skip
_CONTRACTIONS = {
    "i'm": "I am", "i'd": "I would", "i've": "I have", "i'll": "I will", "im": "I am", "ive": "I have",
    "they're": "they are", "they'd": "they would", "they've": "they have", "they'll": "they will",
    "we're": "we are", "we'd": "we would", "we've": "we have", "we'll": "we will",
}  # fmt: skip
# Inside a sentence “I” becomes “they”, whose verbs look as those of “I” do, but for two.
_PRONOUNS = {
    "i": "they", "me": "them", "my": "their", "mine": "theirs", "myself": "themselves", "we": "they", "us": "them",
    "our": "their", "ours": "theirs", "ourselves": "themselves",
}  # fmt: skip
_AFTER_THEY = {"am": "are", "was": "were", "wasn't": "weren't"}
# Verbs that go on from an “I” further ahead: “I am retired, have time and prefer stories”.
_GOES_ON = re.compile(
    r"((?:,|\band|\bbut)(?: and| also| just| really)* )(have|am|do|don't|prefer|like|love|want|need|value|enjoy)\b"
)
# Words that keep their capital at the start of an answer; others are found by how they look.
_NAMES = frozenset({
    "English", "German", "French", "Spanish", "Italian", "Chinese", "Japanese", "Arabic", "Turkish", "Russian",
    "Portuguese", "Latin", "Python", "Java", "Excel", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
    "Saturday", "Sunday", "January", "February", "April", "June", "July", "August", "September", "October",
    "November", "December", "Christmas", "Easter", "Europe", "Germany", "France", "Spain", "Italy", "China",
    "Japan", "America", "Berlin", "London", "Paris",
})  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
# Behind a closing quote or bracket the sentence may go on: “who asks ‘says who?’ and prefers …”.
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<=[.!?…])[\"”')\]]+\s+(?=[^\sa-z])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|approx|Dr|Mr|Mrs|Ms|Prof|St|[A-Za-z])\.)$")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_END = " \t\n.,;:!?…"


def plain(text: str) -> str:
    """Return the text with one kind of apostrophe."""
    return text.replace("’", "'").replace("ʼ", "'")


def says_nothing(answer: str) -> bool:
    """Whether an answer is blank, or only says that there is none."""
    return not _WORD.search(answer) or plain(answer).casefold().strip(_END) in _REFUSALS


def sentences_of(answer: str) -> list[str]:
    """Return the sentences of an answer, without what ends them; lines that begin with a bullet are one list."""
    found: list[str] = []
    for block in _blocks(plain(answer)):
        start = 0
        for end in _SENTENCE_END.finditer(block):
            if not _ABBREVIATION.search(block[: end.start()]):
                found.append(block[start : end.end()])
                start = end.end()
        found.append(block[start:])
    stripped = (_ended(" ".join(sentence.split())) for sentence in found)
    return [sentence for sentence in stripped if _WORD.search(sentence)]


def joined(parts: list[str]) -> str:
    """Return “a”, “a and b”, or “a, b and c”; with a comma before the last where a part holds commas or an “and”."""
    if len(parts) < 2:
        return "".join(parts)
    is_nested = any("," in part or re.search(r"\b(?:and|or)\b", part) for part in parts[:-1])
    return f"{', '.join(parts[:-1])}{',' if is_nested else ''} and {parts[-1]}"


def third_person(text: str) -> str:
    """Return what stands inside a sentence with “I” as “they”, “my” as “their”, and so on."""
    words = _spelt_out(text).split(" ")
    said: list[str] = []
    for word in words:
        before, core, after = _parts(word)
        changed = _PRONOUNS.get(core.casefold(), core)
        if core == "US" or (core.casefold() == "i" and after.startswith(".")):  # a country; a numeral or an initial
            changed = core
        if said and _parts(said[-1])[1].casefold() == "they":
            changed = _AFTER_THEY.get(core.casefold(), changed)
        said.append(f"{before}{changed}{after}")
    return " ".join(said)


def predicate_of(sentence: str) -> str | None:
    """Return what a sentence says of who speaks or of “the user”, with its verb in the third person; None if neither.

    “I just want tips” is “just wants tips”, and “The user wants tips” is “wants tips”.
    """
    spelt = _spelt_out(sentence)
    if spoken := re.match(r"(?i)(?:well,? |so,? )?(?:i|we|they)\s+(.+)$", spelt):
        return _conjugated(spoken[1])
    if spoken := re.match(r"(?i)(as an? [^,]+?),? (?:i|we) (.+)$", spelt):
        return f"{_conjugated(spoken[2])} {third_person(lowered(spoken[1]))}"
    told = re.match(r"(?i)(?:(?:the|this|my|a) (?:user|person|asker|persona)|he|she)\s+(.+)$", spelt)
    return third_person(told[1]) if told else None


def lowered(text: str) -> str:
    """Return the text with a small first letter, unless its first word looks like a name or an abbreviation."""
    first = re.match(r"[^\W\d_]+", text)
    word = first[0] if first else ""
    is_name = len(word) > 1 and (not word[1:].islower() or re.search(rf"[^.!?]\s{word}\b", text) is not None)
    return text if is_name or word in _NAMES else text[:1].lower() + text[1:]


def capitalised(text: str) -> str:
    """Return the text with a large first letter."""
    return text[:1].upper() + text[1:]


def _blocks(answer: str) -> list[str]:
    blocks: list[str] = []
    for is_list, lines in groupby(filter(str.strip, answer.splitlines()), key=lambda line: bool(_BULLET.match(line))):
        if is_list:
            _add_list(blocks, [_ended(_BULLET.sub("", line)) for line in lines])
            continue
        for line in lines:
            if blocks and line[:1].islower():  # a line that was broken in the middle of a sentence
                blocks[-1] += f" {line}"
            else:
                blocks.append(line)
    return blocks


def _add_list(blocks: list[str], items: list[str]) -> None:
    """Add a list in one line, to what introduces it if something does, as “I want:”."""
    if blocks and blocks[-1].rstrip().endswith(":"):
        blocks[-1] = f"{blocks[-1].rstrip().removesuffix(':')} {joined(items)}"
    else:
        blocks.append(joined(items))


def _ended(sentence: str) -> str:
    return sentence.strip().rstrip(_END) + (")" if sentence.rstrip(_END).count("(") > sentence.count(")") else "")


def _spelt_out(text: str) -> str:
    found = re.sub(r"(?i)\bi do not\b", "I don't", text)
    return _WORD.sub(lambda word: _CONTRACTIONS.get(word[0].casefold(), word[0]), found)


def _parts(word: str) -> tuple[str, str, str]:
    core = _WORD.search(word)
    return (word[: core.start()], core[0], word[core.end() :]) if core else (word, "", "")


def _conjugated(predicate: str) -> str:
    words = predicate.split(" ")
    at = next((n for n, word in enumerate(words) if word.casefold().strip(",") not in _ADVERBS), 0)
    rest = third_person(" ".join(words[at + 1 :])) if at + 1 < len(words) else ""
    before, core, after = _parts(words[at])
    verb = f"{before}{_singular(core)}{after}"
    rest = _GOES_ON.sub(lambda found: f"{found[1]}{_singular(found[2])}", rest)
    return " ".join([*words[:at], verb, *([rest] if rest else [])])


def _singular(verb: str) -> str:
    """Return the form of a verb that follows “the user”."""
    core = verb.casefold()
    if core in _IRREGULAR:
        return _IRREGULAR[core]
    if core in _UNCHANGED or not core.isalpha() or core.endswith("n't") or re.search(r"[^e]ed$", core):
        return verb
    if core.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{verb}es"
    if core.endswith("y") and core[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"
