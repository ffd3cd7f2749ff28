"""What participants and researchers touch. Knows texts and opaque arm codes, never which model an arm is."""
