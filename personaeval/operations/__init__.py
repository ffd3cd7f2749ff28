"""What the person on call looks at: whether the site lives and is ready, its figures, and one line for each request."""
