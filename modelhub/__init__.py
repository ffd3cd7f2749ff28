"""What admins and analysts touch: systems, runs and generations. Imports annotation, never the other way."""
