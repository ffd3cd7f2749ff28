"""Words by which the screening of personas knows harm. A short list: what it finds a person decides on, never the list.

Each entry is a regular expression for whole words. Ordinary talk of these things ("prefers crime novels", "works in
suicide prevention") must not be found, so the patterns ask for an intent, a person it is aimed at, or a word that has
no other use.
"""

_I = r"(?:i|i'?m|i am|the user|user|he|she|they|who)"
_WANT = (
    r"(?:wants?|wanted|plans?|planned|intends?|would like|going|hopes?|wishes|is about|am about)"
    r"(?:\s+(?:to|on))?"
)
_PEOPLE = (
    r"(?:(?:my|his|her|their|a|an|the|some|all|every)\s+)?"
    r"(?:(?:ex[- ]?)?(?:wife|husband|partner|girlfriend|boyfriend)|boss|neighbou?rs?|co-?workers?|colleagues?|"
    r"teachers?|class(?:mates?)?|family|parents?|mother|father|brother|sister|people|someone|somebody|everyone|everybody|you|"
    r"him|her|them|students?|children|kids|women|men|muslims?|jews?|christians?|immigrants?|refugees?)"
)
_CHILD = r"(?:child(?:ren)?|minors?|kids?|toddlers?|infants?|preteens?|underage\s+(?:girls?|boys?))"

HARMFUL_TERMS: dict[str, tuple[str, ...]] = {
    "a threat": (
        (rf"{_WANT}\s+(?:kill(?:ing)?|murder(?:ing)?|shoot(?:ing)?|stab(?:bing)?|poison(?:ing)?|hurt(?:ing)?|"
        rf"attack(?:ing)?|bomb(?:ing)?|rap(?:e|ing))\s+{_PEOPLE}"),
        rf"(?:i(?:'ll| will)|i'?m gonna)\s+(?:kill|murder|shoot|stab|hurt|rape)\s+{_PEOPLE}",
        r"(?:build|make|making|building|plant|planting)\s+(?:a\s+|pipe\s+)*(?:pipe\s*)?bombs?\s+(?:to|for|against|at|in)",
        r"mass shooting\s+(?:at|in|of)\s+(?:my|his|her|their|a|the)|shoot(?:ing)? up\s+(?:a|an|my|his|her|their|the)",
    ),
    "sexual content about minors": (
        rf"(?:sex(?:ual(?:ly)?)?|nudes?|naked|porn\w*|erotic\w*|lewd)\s+(?:\w+\s+){{0,4}}{_CHILD}",
        rf"{_CHILD}\s+(?:\w+\s+){{0,2}}(?:porn\w*|erotica|nudes?)",
        rf"(?:attracted to|aroused by|turned on by)\s+(?:\w+\s+){{0,2}}{_CHILD}",
        r"child\s*porn\w*|paedophil\w*|pedophil\w*",
    ),
    "an intent of self-harm": (
        (rf"{_WANT}\s+(?:kill|killing|hurt|hurting|harm|harming|cut|cutting)\s+"
        r"(?:myself|himself|herself|themselves|themself)"),
        (rf"{_WANT}\s+(?:die|commit(?:ting)? suicide|end(?:ing)? (?:it all|my life|his life|her life|their life)|"
        r"take (?:my|his|her|their) own life)"),
        rf"{_I}\s+(?:is|am|feels?|being)?\s*suicidal",
        r"no longer (?:wants?|wish(?:es)?) to (?:live|be alive)|do(?:es)?n'?t want to (?:live|be alive)",
        r"(?:best|painless|easiest|quickest) ways? to (?:die|commit suicide|kill \w+sel(?:f|ves))",
    ),
    "a slur": (
        r"nigg(?:ers?|as?)", r"kikes?", r"spics?(?! and span)", r"wetbacks?", r"gooks?", r"ragheads?", r"faggots?",
        r"trann(?:y|ies)", r"sand\s*nigg\w+", r"towelheads?", r"untermensch(?:en)?", r"kanak(?:e|en)",
        r"white power", r"heil hitler", r"gas the jews",
    ),
}  # fmt: skip
