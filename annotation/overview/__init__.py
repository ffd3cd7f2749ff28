"""What one look at a running study says: what needs attention, how far it is, and when it will be done."""
