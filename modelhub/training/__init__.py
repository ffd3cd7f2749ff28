"""Train adapters by supervised fine-tuning and preference tuning. Pure: no Django; a job in, an adapter out.

Hyper-parameters and training conditions: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), arXiv 2501.11549.
"""
