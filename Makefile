# Every target works on a fresh clone: it makes .venv and installs what it needs, once per state of the requirements.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
# Used through `python -m`, since the scripts in .venv/bin do not survive a moved folder or a space in its path.
PIP := $(PY) -m pip --disable-pip-version-check
# The stamps carry a checksum of what was installed: changed requirements or a half-finished install are done again.
WEB_STAMP := $(VENV)/.installed-web-$(firstword $(shell cat requirements-web.txt | cksum))
DEV_STAMP := $(VENV)/.installed-dev-$(firstword $(shell cat requirements-web.txt requirements-dev.txt | cksum))
ARGS :=

.PHONY: help demo test lint format pictures
help:
	@echo "make demo      install the web application and start it with a demonstration study"
	@echo "make test      run all tests on SQLite and on PostgreSQL, in a real browser too (ARGS='-k name' for some)"
	@echo "make lint      check style, types, migrations and settings"
	@echo "make format    format the code"
	@echo "make pictures  take the pictures in docs/pictures anew"

demo: $(WEB_STAMP)
	@exec $(PY) manage.py demo $(ARGS)

test: $(DEV_STAMP)
	@echo "== Looking for a Chromium"
	@$(PY) -m tests.tools.chromium
	@echo "== Tests on SQLite"
	@env -u DATABASE_URL $(PY) -m pytest $(ARGS)
	@echo "== Tests on PostgreSQL: all that use a database, without the browser"
	@$(PY) -m tests.tools.postgres $(PY) -m pytest --database-only $(ARGS)

lint: $(DEV_STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --fail-level WARNING

format: $(DEV_STAMP)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

pictures: $(DEV_STAMP)
	@$(PY) -m tests.tools.pictures

$(WEB_STAMP):
	@sh deploy/make_venv.sh $(VENV)
	@echo "== Installing requirements-web.txt into $(VENV)"
	@rm -f $(VENV)/.installed-web-*
	@$(PIP) install --quiet -r requirements-web.txt
	@touch $@

$(DEV_STAMP):
	@sh deploy/make_venv.sh $(VENV)
	@echo "== Installing requirements-dev.txt into $(VENV)"
	@rm -f $(VENV)/.installed-dev-*
	@$(PIP) install --quiet -r requirements-dev.txt
	@touch $@
