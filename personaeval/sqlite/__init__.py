"""Django's SQLite backend, where the writers of one process take turns; see base.py."""
