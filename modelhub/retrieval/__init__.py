"""Find, for a prompt, the training prompts nearest to it: their personas are the retrieved ones."""
