"""Controls of quality: the quiz, attention checks, planted pairs, and the rules that flag participants."""
