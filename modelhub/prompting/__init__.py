"""Pure: what systems and judges are asked, letter by letter, and how their answers are read."""
