# Everything a developer types. `make` alone says what there is.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
SECONDS ?= 60
KILLS ?= 1000
SEED ?= 1
MINUTES ?= 0
# More than cores: many tests wait for real processes and a fast clock.
WORKERS ?= 4
TESTS ?= tests
# Thousands of plays of the same lines: what they reach, the other tests reach too.
SEARCHES := crash simulation fuzz
ARGS ?=
STAMP := $(VENV)/.stamp
# Python keeps what it has compiled, whatever the host is set to: dozens of processes share it.
unexport PYTHONDONTWRITEBYTECODE
# Given (`make dev PYTHON=python3.13`), it rules; else the environment that is there stays, and a
# new one is made with the newest Python found. Each one is run, not just looked up: a pyenv shim
# lies on PATH for versions that it then refuses, and Debian's python3 may lack ensurepip.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)

.PHONY: help
help: ## show this
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: $(STAMP)-run ## watch it work against sandbox providers; SECONDS=60
	$(PY) -m rotator demo --seconds $(SECONDS)

.PHONY: dev
dev: $(STAMP)-lint ## make .venv with all that the targets below need; PYTHON=python3.11

.PHONY: test
test: $(STAMP)-test ## run the tests; TESTS=tests/unit ARGS='-k name' WORKERS=0
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(TESTS) $(ARGS)

.PHONY: coverage
coverage: $(STAMP)-test ## run the tests, and hold their coverage to the thresholds
	$(PY) -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report= $(SEARCHES:%=--ignore=tests/%) $(TESTS) $(ARGS)
	.ci/coverage $(PY)

.PHONY: check
check: lint types contracts docs-check ## all that is judged without running the tests

.PHONY: format
format: $(STAMP)-lint ## let ruff mend what it can
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

.PHONY: lint
lint: $(STAMP)-lint ## ruff, its formatter, and spelling
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib

.PHONY: types
types: $(STAMP)-lint ## mypy --strict
	$(PY) -m mypy

.PHONY: contracts
contracts: $(STAMP)-lint ## which module may import which
	$(VENV)/bin/lint-imports --no-logo

.PHONY: docs
docs: $(STAMP)-run ## write jobs/README.md and the command line's help anew
	$(PY) -m rotator.cli.docs

.PHONY: docs-check
docs-check: $(STAMP)-run ## fail if `make docs` would change anything
	$(PY) -m rotator.cli.docs --check

.PHONY: deploy
deploy: ## judge deploy/: Dockerfile, Compose, systemd, Kubernetes, IAM
	.ci/deploy

.PHONY: readers
readers: $(STAMP)-test ## run every recipe for reading a token, with the readers' own tools
	.ci/tools readers
	$(PY) -m pytest -n $(WORKERS) --dist worksteal tests/readers $(ARGS)

.PHONY: fuzz
fuzz: $(STAMP)-fuzz ## search every place where bytes come in, guided by coverage; SECONDS=20 for each
	$(PY) -m tests.fuzz --seconds $(if $(filter file,$(origin SECONDS)),20,$(SECONDS)) $(ARGS)

.PHONY: bench
bench: $(STAMP)-test ## measure, for minutes; one alone: ARGS=cost, start, herd or client
	$(PY) -m tests.bench $(ARGS)

.PHONY: soak
soak: $(STAMP)-test ## kill workers and look for lost chains; KILLS=1000 SEED=1 MINUTES=0
	$(PY) -m tests.soak --kills $(KILLS) --seed $(SEED) --minutes $(MINUTES) $(ARGS)

.PHONY: simulate
simulate: $(STAMP)-test ## days or years of a hostile world; SEED=7 CREDENTIALS=104 DAYS=30 FAULTS=all
	$(PY) -m tests.simulation --seed='$(SEED)' --credentials='$(CREDENTIALS)' --only='$(ONLY)' \
		--days='$(DAYS)' --faults='$(FAULTS)' --break='$(BREAK)' --processes='$(PROCESSES)'

.PHONY: lock
lock: $(STAMP)-python ## pin requirements/*.txt anew from pyproject.toml; ARGS=--upgrade
	.ci/lock $(PY) $(ARGS)

.PHONY: clean
clean: ## remove all that make made
	rm -rf $(VENV) .venv-* .coverage .coverage.* htmlcov dist build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .fuzz-*
	find rotator tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, filled as far as the target asked for needs it: run < test < lint, each file
# holding the one before it. A stamp is newer than its requirements and its Python, or is made anew.
$(STAMP)-lint: requirements/lint.txt $(STAMP)-test
	$(PIP) install --require-hashes -r $<
	@touch $@

$(STAMP)-fuzz: requirements/fuzz.txt $(STAMP)-test
	$(PIP) install --require-hashes -r $<
	@touch $@

$(STAMP)-test: requirements/test.txt $(STAMP)-run
	$(PIP) install --require-hashes -r $<
	@touch $@

$(STAMP)-run: requirements/run.txt $(STAMP)-python
	$(PIP) install --require-hashes -r $<
	@touch $@

# The checkout itself comes in by a path file, which needs no build backend and moves with the folder.
$(STAMP)-python: FORCE
	@PYTHON='$(PYTHON)' .ci/venv '$(VENV)' $@ $(PYTHONS)

.PHONY: FORCE
FORCE:
