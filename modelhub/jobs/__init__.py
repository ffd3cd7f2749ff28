"""Long work asked for by pages: rows that a worker takes, each done by a process of its own."""
