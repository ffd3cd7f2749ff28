"""A persona as data: nothing in it opens a field of a prompt, and nothing is a special token. Pure functions.

What participants type is put into prompts whose fields are lines ("Prompt: …", "Persona: …", "Response:") and whose
turns are marked by special tokens. So the text is one line, what a tokenizer would read as a special token is parted by
a blank, and characters that show nothing but can carry hidden words, or show words in another order, are left out. What
holds none of these stays what it was, to the character. The text that is stored is never changed.
"""

import re

# "\r\n" is one line end. Of the other control characters a tab alone is a blank already.
_LINE_ENDS = re.compile(r"\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f]")
# Soft hyphen, zero-width space, word joiners and invisible operators, marks that turn the direction of what follows,
# the byte order mark, interlinear marks. Joiners and the marks of direction that spelling needs (Persian, Hindi,
# Arabic, emoji) stay.
_UNSEEN = re.compile(r"[\u00ad\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
# Tag characters spell out ASCII that nobody sees; they have a use in the flags of some countries, after a black flag.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0000-\U000e007f]")
# One selector chooses how a character looks; a row of them spells out bytes.
_SELECTORS = re.compile("([\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
# Every "<" before anything that a token's name may begin with, in the wide forms that a normalizer makes it of, too.
# "<3", "x < y", "<=" and "<-" stay; by its first character alone, so that no token is made by what is nested in it.
_ANGLE = re.compile(r"([<＜﹤])(?![\s=-]|\d(?![xX])|$)")
# "[INST]", "[/INST]", "[gMASK]", "[|user|]": a name in capitals, or between bars. "[sic]" and "[1]" stay.
_SQUARE = re.compile(r"([\[［])(?=\W{0,4}\w*[A-Z]{2}\w*\W{0,4}[\]］]|\W{0,3}[|｜])")
_BARS = re.compile(r"\|(?=\|\|)|(?<=\|\|)\|")


def persona_as_data(text: str) -> str:
    """Return the persona as it may stand in a prompt: on one line, and without anything that is a special token."""
    text = _CONTROLS.sub(" ", _LINE_ENDS.sub(" ", text))
    text = _SELECTORS.sub(r"\1", _TAGS.sub(r"\1", _UNSEEN.sub("", text)))
    return _BARS.sub("| ", _SQUARE.sub(r"\1 ", _ANGLE.sub(r"\1 ", text)))
