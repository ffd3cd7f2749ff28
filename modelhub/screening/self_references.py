"""What a response says of itself that tells that, or which, system made it. Pure functions.

Only what a text says of itself counts: "models are fine-tuned with DPO" and "I am a llama farmer" are answers like any
other.
"""

import re

# Names that hardly stand for anything but a model, and those that do, which count with a version or "…, a language
# model" alone.
_FAMILY = r"(?:llama|chatgpt|gpt|mixtral|qwen|deepseek|vicuna|t[uü]lu|olmo|codestral|starcoder|gemma)"
_AMBIGUOUS = (
    r"(?:claude|gemini|mistral|falcon|alpaca|zephyr|phi|yi|command|bard|orca|nova|palm|copilot|grok|llama|gemma)"
)
_VERSION = r"[ -]?v?\d[\w.-]*"
_MODEL = r"(?:AI|artificial intelligence|(?:large |small )?language)(?: language)? (?:model|assistant|chatbot)"
_MAKER = (
    r"(?:meta|facebook|openai|anthropic|google|deepmind|mistral ai|alibaba|deepseek|microsoft|xai|cohere|nvidia|"
    r"hugging ?face|eleutherai|ai2|the allen institute)"
)
_TUNED = (
    r"(?:DPO|RLHF|RLAIF|PPO|SFT|direct preference optimi[sz]ation|reinforcement learning|preference (?:data|pairs))"
)
_BY_NAME = r"(?:(?:actually|called|named|just|only|based on|powered by|a version of) ){0,2}"
_I_AM = r"\bI(?: a|')m "
_I_WAS = r"\bI(?:'m| am| was| have been|'ve been) "
_PATTERNS = (
    r"\bAI persona\b|\bpersona[- ](?:tailored|based|driven)\b|\btailored to (?:your|the) persona\b",
    r"\b(?:your|the user's|this|the given|the provided) persona\b",
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language)(?: language)?(?: persona)? (?:model|assistant)\b",
    rf"{_I_AM}{_BY_NAME}{_FAMILY}(?:{_VERSION}|\b)",
    (
        rf"{_I_AM}{_BY_NAME}(?:an? |the )?(?:{_FAMILY}|{_AMBIGUOUS})"
        rf"(?:{_VERSION}|,? an? {_MODEL}\b|,? (?:by|from) {_MAKER}\b)"
    ),
    rf"{_I_AM}(?:just |only )?an? {_MODEL}\b",
    rf"{_I_WAS}(?:\w+ ){{0,3}}(?:trained|created|developed|made|built|fine-?tuned)(?: and \w+)? (?:by|at) {_MAKER}\b",
    rf"{_I_WAS}[^.!?\n]{{0,60}}\b(?:fine-?tuned|trained|aligned|tuned)\b[^.!?\n]{{0,30}}\b{_TUNED}\b",
    r"\bmy (?:training data|(?:knowledge|training) cut-?off|system prompt|model weights)\b",
    r"\bas of my (?:last|latest|most recent) (?:knowledge |training )?(?:update|cut-?off|training)\b",
)
_ANY = re.compile("|".join(_PATTERNS), re.IGNORECASE)


def self_references(text: str) -> list[str]:
    """Return what a text says of itself, in its own words."""
    return [match[0] for match in _ANY.finditer(text.replace("’", "'"))]
