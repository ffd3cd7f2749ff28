"""Systems: how they are registered and told apart, and what they are asked."""
