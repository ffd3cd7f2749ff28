"""The live loop: one dispatcher asks every system at once, and stores each answer as it comes."""
