# Every command creates .venv from requirements-dev.lock if needed; after that, no network is needed.
.DEFAULT_GOAL := help
.PHONY: help demo test cover check bench soak fuzz lock clean venv

PORT ?= 6666
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PATHS := client daemons agent tests deploy

help: ## show this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

demo: venv ## run a node on this machine: both daemons and fourteen sample clients; PORT=6666, FOR=10 stops after ten seconds
	@$(BIN)/python -m deploy.demo --port '$(PORT)' $(if $(FOR),--for '$(FOR)')

# Tests wait a lot: two processes take little more than half the time. A selection of tests runs in one process.
test: venv ## run all tests in two processes; with ARGS=... for pytest, in one
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2)

cover: venv ## run the tests under coverage, in one process; ARGS=... for pytest
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: venv ## run ruff, mypy and import-linter
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# Collector cells and archive cells have separate programs; without CELL, both run.
bench: venv ## logd and other collectors, logcd and tar, an hour at most; CELL=NAME for one cell, AGAINST=DIR for another checkout
ifdef AGAINST
	@$(BIN)/python -m tests.bench.compare_checkouts '$(AGAINST)' $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS)
else
	@$(if $(filter archive-%,$(CELL)),,$(BIN)/python -m tests.bench.compare_collectors $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS))
	@$(if $(filter-out archive-%,$(CELL)),,$(BIN)/python -m tests.bench.compare_archivers $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS))
endif

soak: venv ## run the soak tests: exactly once, a minute per scene (ONCE=20s), a day of archives (CYCLES=100), an hour of mixed load (FOR=10m); ARGS=--help
	@$(BIN)/python -m tests.soak.exactly_once $(if $(ONCE),--for '$(ONCE)')
	@$(BIN)/python -m tests.soak.archive_day $(if $(CYCLES),--cycles '$(CYCLES)')
	@$(BIN)/python -m tests.soak.mixed_load $(if $(FOR),--for '$(FOR)') $(ARGS)

# atheris is not in the lock: it is 35 MB, and exists only for CPython on Linux x86-64.
fuzz: venv ## fuzz the wire protocol with atheris (installed from PyPI if missing); FOR=60 seconds
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) install 'atheris>=3,<4' || { \
		echo 'make fuzz: cannot install atheris; it needs a network, and CPython 3.11 to 3.13 on Linux x86-64' >&2; exit 1; }
	@mkdir -p var/fuzz && $(BIN)/python -m tests.fuzz.wire -max_total_time='$(or $(FOR),60)' -artifact_prefix=var/fuzz/ $(ARGS)

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command 'make lock'
EXTRAS := --extra node --extra agent --extra tools

lock: ## rewrite the requirement locks (needs uv); ARGS=--upgrade allows newer versions
	@command -v uv >/dev/null || { echo 'make lock: needs uv (pip install uv)' >&2; exit 1; }
	$(LOCK) $(ARGS) $(EXTRAS) --output-file requirements.lock
	$(LOCK) $(ARGS) $(EXTRAS) --constraint requirements.lock --group dev --group deploy --output-file requirements-dev.lock
	$(LOCK) $(ARGS) --constraint requirements-dev.lock --group build --output-file requirements-build.lock

clean: ## remove .venv, var and all files that tools leave behind
	rm -rf .venv var dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(PATHS) -name __pycache__ -prune -exec rm -rf {} +

# As its last step, each part of .venv gets a mark of what it was made from: one for the locked packages, one for the
# project itself. Without a matching mark (interrupted install, moved checkout, another python3) a part is rebuilt.
# Marks hold checksums, not times, so that a fresh checkout of the same files needs no network. One make at a time.
LOCKED := { pwd; sha256sum requirements-dev.lock; }
PROJECT := sha256sum pyproject.toml

venv:
	@exec 9>.venv.lock && flock 9 && \
	if ! { $(LOCKED) | cmp -s - .venv/locked && $(BIN)/python -c 'import pytest' 2>/dev/null; }; then \
		python=$$($(FIND_PYTHON)) || exit 1; \
		echo 'creating .venv (once, about a minute)' >&2; \
		rm -rf .venv && "$$python" -m venv .venv && \
		$(PIP) install --require-hashes -r requirements-dev.lock && \
		$(LOCKED) >.venv/locked; \
	fi && \
	if ! $(PROJECT) | cmp -s - .venv/project; then \
		rm -f .venv/project && \
		$(PIP) install --no-deps --no-index --no-build-isolation --editable . && \
		$(PROJECT) >.venv/project; \
	fi

# Print the first python3 that is new enough and can create a venv, or one line that says what to install.
define FIND_PYTHON
	old=; bare=; \
	for python in python3 python3.11 python3.12 python3.13 python3.14; do \
		has=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))' \
			2>/dev/null) || { old=$${old:-$$has}; continue; }; \
		if $$python -c 'import ensurepip, venv' 2>/dev/null; then echo $$python; exit 0; fi; \
		bare=$${bare:-$$has}; \
	done; \
	if [ "$$bare" ]; then \
		echo "make: python$$bare cannot make a virtual environment: apt-get install python$$bare-venv" >&2; \
	else \
		echo "make: needs python3 >= 3.11, found $${old:-none}: apt-get install python3 python3-venv" >&2; \
	fi; exit 1
endef
