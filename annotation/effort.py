"""How long reading, writing and answering take: minutes from the texts themselves.

Words are read at 238 a minute, the mean rate of silent reading of English non-fiction (Brysbaert 2019, a meta-analysis
of 190 studies, Journal of Memory and Language 109, 104047). Chinese and Japanese have no blanks between words: their
characters are read at 255 a minute, the rate of Chinese (Trauzettel-Klosinski & Dietz 2012, Investigative Ophthalmology
& Visual Science 53, 5452–5461; read aloud, so rather too slow). A participant types 19 words a minute, the rate
measured for composing (Karat et al. 1999, CHI '99). 5 seconds for each answer, 25 words of a persona and 10 of an
answer in words are this program's assumptions.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

READING_WPM = 238.0
READING_CPM = 255.0
WRITING_WPM = 19.0
PERSONA_WORDS = 25.0
ANSWER_WORDS = 10.0
SECONDS_PER_ANSWER = 5.0

# Han, kana, and what is full-width beside them. Korean has blanks between words.
_CHARACTER = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Not the marks of Markdown, which stand between blanks as words do: a bullet, a rule, the bars of a table.
_WORD = re.compile(r"\S*\w\S*")


def reading(*texts: str | None) -> float:
    """Return the minutes that reading these texts takes."""
    return sum(_reading(text) for text in texts if text)


def reading_all(value: Any) -> float:
    """Return the minutes that reading takes of every text in lists and mappings; keys and numbers are not read."""
    if isinstance(value, str):
        return reading(value)
    inside: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return sum(map(reading_all, inside))


def reading_of_words(count: float) -> float:
    """Return the minutes that reading so many words takes, where the text is not there yet."""
    return count / READING_WPM


def answering(count: float = 1) -> float:
    """Return the minutes that so many clicks on an answer take."""
    return count * SECONDS_PER_ANSWER / 60


def writing(words: float) -> float:
    """Return the minutes that composing so many words takes."""
    return words / WRITING_WPM


def _reading(text: str) -> float:
    words, characters = _CHARACTER.subn(" ", text)
    return len(_WORD.findall(words)) / READING_WPM + characters / READING_CPM
