# Every command here sets up what it needs by itself: .venv, from requirements-dev.lock, with no network once it is made.
.DEFAULT_GOAL := help
.PHONY: help demo test cover check bench soak fuzz lock clean venv

PORT ?= 6666
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PATHS := client daemons agent tests deploy

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

demo: venv ## a node on this machine: both daemons, fourteen sample clients; PORT=6666, FOR=10 ends it after ten seconds
	@$(BIN)/python -m deploy.demo --port '$(PORT)' $(if $(FOR),--for '$(FOR)')

# Much of it is waiting: two processes take little more than half the time. Some tests alone are not worth a second one.
test: venv ## every test, in two processes; ARGS=... goes to pytest, in one
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2)

cover: venv ## the same under coverage, in one process; ARGS=... goes to pytest
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: venv ## ruff, format, mypy, import-linter
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# Cells of collectors and of archives have programs of their own; without CELL both run.
bench: venv ## logd and other collectors, logcd and tar, an hour at most; CELL=blocks-64 for one, AGAINST=DIR another checkout's logd instead, ARGS=--help
ifdef AGAINST
	@$(BIN)/python -m tests.bench.compare_checkouts '$(AGAINST)' $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS)
else
	@$(if $(filter archive-%,$(CELL)),,$(BIN)/python -m tests.bench.compare_collectors $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS))
	@$(if $(filter-out archive-%,$(CELL)),,$(BIN)/python -m tests.bench.compare_archivers $(foreach cell,$(CELL),--cell '$(cell)') $(ARGS))
endif

soak: venv ## exactly once, a minute a scene (ONCE=20s), a day of archives (CYCLES=100), then an hour of mixed load (FOR=10m); ARGS=--help
	@$(BIN)/python -m tests.soak.exactly_once $(if $(ONCE),--for '$(ONCE)')
	@$(BIN)/python -m tests.soak.archive_day $(if $(CYCLES),--cycles '$(CYCLES)')
	@$(BIN)/python -m tests.soak.mixed_load $(if $(FOR),--for '$(FOR)') $(ARGS)

# Not in the lock: it is 35 MB, and exists for CPython on Linux x86-64 only.
fuzz: venv ## anything at all into the wire protocol, under atheris (from PyPI if missing); FOR=60 seconds
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) install 'atheris>=3,<4' || { \
		echo 'make fuzz: cannot install atheris; it needs a network, and CPython 3.11 to 3.13 on Linux x86-64' >&2; exit 1; }
	@mkdir -p var/fuzz && $(BIN)/python -m tests.fuzz.wire -max_total_time='$(or $(FOR),60)' -artifact_prefix=var/fuzz/ $(ARGS)

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command 'make lock'
EXTRAS := --extra node --extra agent --extra tools

lock: ## write the requirement locks anew (needs uv); ARGS=--upgrade takes newer versions
	@command -v uv >/dev/null || { echo 'make lock: needs uv (pip install uv)' >&2; exit 1; }
	$(LOCK) $(ARGS) $(EXTRAS) --output-file requirements.lock
	$(LOCK) $(ARGS) $(EXTRAS) --constraint requirements.lock --group dev --group deploy --output-file requirements-dev.lock
	$(LOCK) $(ARGS) --constraint requirements-dev.lock --group build --output-file requirements-build.lock

clean: ## remove .venv, var and everything that tools leave behind
	rm -rf .venv var dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(PATHS) -name __pycache__ -prune -exec rm -rf {} +

# What .venv was made from is written into it last, one mark for the locked packages and one for the project itself:
# without its mark (an interrupted install, a moved checkout, another python3) a part is made again, never trusted.
# Marks hold sums, not times, so that a fresh checkout of the same files needs no network. One make at a time.
LOCKED := { pwd; sha256sum requirements-dev.lock; }
PROJECT := sha256sum pyproject.toml

venv:
	@exec 9>.venv.lock && flock 9 && \
	if ! { $(LOCKED) | cmp -s - .venv/locked && $(BIN)/python -c 'import pytest' 2>/dev/null; }; then \
		python=$$($(FIND_PYTHON)) || exit 1; \
		echo 'making .venv (once, about a minute)' >&2; \
		rm -rf .venv && "$$python" -m venv .venv && \
		$(PIP) install --require-hashes -r requirements-dev.lock && \
		$(LOCKED) >.venv/locked; \
	fi && \
	if ! $(PROJECT) | cmp -s - .venv/project; then \
		rm -f .venv/project && \
		$(PIP) install --no-deps --no-index --no-build-isolation --editable . && \
		$(PROJECT) >.venv/project; \
	fi

# Prints the first python3 that is new enough and can make a venv, or says in one line what to install.
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
