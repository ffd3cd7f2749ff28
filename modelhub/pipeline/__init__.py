"""The whole pipeline in one go: from preference pairs to a study of two systems that were trained on them."""
