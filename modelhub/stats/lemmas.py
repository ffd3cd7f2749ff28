"""The dictionary form of an English word, so that "prefers" and "preferred" count as one. Pure functions.

The dictionary is simplemma's (MIT licence, pure Python, about 20 MB, everything in the package: nothing is downloaded).
"""

from functools import lru_cache

# Where that dictionary is wrong about words that personas use.
_CORRECTIONS = {"preferred": "prefer", "preferring": "prefer", "thinking": "think", "fixes": "fix"}


@lru_cache(maxsize=2**16)
def lemma(word: str) -> str:
    """Return the dictionary form of one word, without case.

    A possessive loses its ending. A compound with hyphens stays whole, as "to-the-point" must, and only gives up the
    case; so does a word that is not in the dictionary. Words are read without their context: "saw" is always "see".
    """
    from simplemma import lemmatize  # takes a while, and few commands count words

    plain = word.casefold().replace("’", "'").removesuffix("'s").removesuffix("'")
    if "-" in plain or not plain:
        return plain
    return _CORRECTIONS.get(plain) or lemmatize(plain, lang="en").casefold()
