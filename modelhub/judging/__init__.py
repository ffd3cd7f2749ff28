"""What judges are asked, and how their verdicts are read."""
