# Everything starts here; Python 3.11 (or newer) and make are all it asks. `make` alone lists the targets.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python that really runs and is new enough; `make PYTHON=/path/to/python3.11 …` chooses another.
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# A bar with what remains where someone watches, silence elsewhere.
UV_INSTALL = started=$$(date +%s); $(BIN)/uv pip install --require-hashes $$(test -t 2 || echo --quiet)
INSTALLED = echo "Installed in $$(( $$(date +%s) - started )) s."
# Stamps say what is installed; while they are newer than the requirements nothing is asked of the network.
BUILD := $(VENV)/.stamp-build
PROJECT := $(VENV)/.stamp-project
TRAIN := $(VENV)/.stamp-train
DEV := $(VENV)/.stamp-dev
FUZZ_EXAMPLES ?= 300
SEEDS ?= 3
SHARED ?= ../shared/data
DUMMY_SECRET := 00000000000000000000000000000000

.PHONY: help demo demo-check test check lint types layers migrations audit docker-lint compose docs-test notebook \
	fuzz-short faults-short fuzz fmt serve migrate bench-quality bench-serving bench-faults bench-pages docker-check requirements install clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Run it ---

demo: $(TRAIN) $(PROJECT) ## Install, import a real shop's year of sales, train, serve, print keys and curl lines
	@$(BIN)/recserve demo

demo-check: $(TRAIN) $(PROJECT) ## The same, then walk the curl lines, stop, and say whether all held
	@$(BIN)/recserve demo --check

serve: $(TRAIN) $(PROJECT) ## Start the service on its settings (RECSERVE_*)
	@$(BIN)/recserve serve

migrate: $(TRAIN) $(PROJECT) ## Bring the database to the newest schema
	@$(BIN)/recserve migrate

# DATA="beauty diginetica online_retail" (all), SEEDS=3, and where wanted MODELS=auto,sasrec BUDGET_S=600 THREADS=1.
# Where data is missing it says so and goes on; run again, it goes on where it stopped, FRESH=1 starts anew.
bench-quality: $(TRAIN) $(PROJECT) ## Measure the published set of models, DATA=beauty alone (hours for all of it)
	@$(PY) -m benchmarks.publish $(DATA) --data $(SHARED) --seeds $(SEEDS) $(if $(MODELS),--models $(MODELS)) \
		$(if $(BUDGET_S),--budget-s $(BUDGET_S)) $(if $(THREADS),--threads $(THREADS)) $(if $(FRESH),--fresh)

bench-pages: $(TRAIN) $(PROJECT) ## Write the figures of benchmarks/results/quality into the pages
	@$(PY) -m benchmarks.pages

bench-faults: $(DEV) $(PROJECT) ## The fault matrix against real servers, killed, stopped, slowed and filled (half an hour)
	@$(PY) -m benchmarks.faults --out benchmarks/results/faults.json; code=$$?; $(PY) -m benchmarks.faults.page; exit $$code

bench-serving: $(TRAIN) $(PROJECT) ## Each claim about serving beside its baseline (needs wrk and redis-server; minutes)
	@$(PY) -m benchmarks.serving --out benchmarks/results/serving.json

# --- Test it ---

test: $(DEV) $(PROJECT) ## All tests, real PostgreSQL and Redis included
	@$(PY) -m pytest -q -n 2 --dist loadfile

check: lint types layers migrations audit docker-lint compose fuzz-short faults-short docs-test notebook ## What CI adds: lint, types, layers, migrations, audit, image, compose file, docs, notebook, short fuzz

lint: $(DEV)
	@echo "ruff:"; $(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV)
	@echo "mypy:"; $(BIN)/mypy

layers: $(DEV) $(PROJECT)
	@echo "import-linter:"; $(BIN)/lint-imports

migrations: $(DEV) $(PROJECT)
	@echo "migrations:"; $(PY) -m pytest -q tests/integration/test_migrations.py
	@echo "squawk:"; $(PY) -m migrations.lint

audit: $(DEV)
	@$(PY) .ci/audit.py requirements/dev.txt

docker-lint: $(DEV)
	@echo "hadolint:"; $(BIN)/hadolint Dockerfile && echo "Dockerfile is clean."

# Any values do: what is checked is that the file is whole and asks for no other.
compose:
	@echo "compose:"; \
	export POSTGRES_PASSWORD=x RECSERVE_USER_TOKEN_SECRET=$(DUMMY_SECRET) RECSERVE_ERASURE_SECRET=$(DUMMY_SECRET); \
	if docker compose version >/dev/null 2>&1; then tool="docker compose"; \
	elif docker-compose version >/dev/null 2>&1; then tool=docker-compose; \
	else echo "Neither docker compose nor docker-compose is installed: tests/docs alone look at the file here."; exit 0; \
	fi; $$tool -f docker-compose.yml config -q && echo "docker-compose.yml is sound ($$tool)."

fuzz-short: $(DEV) $(PROJECT)
	@echo "schemathesis:"; $(PY) -m tests.fuzz --examples 10

faults-short: $(DEV) $(PROJECT)
	@echo "faults:"; $(PY) -m benchmarks.faults --short

docs-test: $(DEV) $(PROJECT)
	@echo "docs:"; $(PY) -m pytest -q tests/docs

notebook: $(DEV) $(PROJECT)
	@echo "notebook:"; SMALL=1 $(PY) -m pytest -q --nbmake --nbmake-timeout=120 notebooks

fuzz: $(DEV) $(PROJECT) ## Schemathesis over every route, long (FUZZ_EXAMPLES=300 a route)
	@$(PY) -m tests.fuzz --examples $(FUZZ_EXAMPLES)

docker-check: $(BUILD) ## Perform the image's install steps in a clean directory and start what it would start
	@$(PY) -m deploy.image_rehearsal

# --- Keep it ---

fmt: $(DEV) ## Format the code and repair what ruff can
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

requirements: $(BUILD) ## Pin requirements/*.in anew, with hashes
	@for group in build serve train dev; do \
		constraint=""; case $$group in train|dev) constraint="-c requirements/serve.txt";; esac; \
		$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --no-header \
			$$constraint requirements/$$group.in -o requirements/$$group.txt || exit 1; \
		echo "requirements/$$group.txt"; \
	done

install: $(DEV) $(PROJECT) ## Install everything and do nothing else

clean: ## Remove the environment, caches and the demo's data (not artifacts/ or var/recserve.db)
	@rm -rf $(VENV) var/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment ---

$(BUILD): requirements/build.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found. \
	On Debian: apt-get install python3.11 python3.11-venv; or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c '' 2>/dev/null || { \
		echo "$(PYTHON) cannot be run; name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@touch $@

# Each group is a superset of the one before it, and installing one never removes another's packages.
$(TRAIN): $(BUILD) requirements/serve.txt requirements/train.txt
	@echo "Installing the packages that serve and train (about 2 GB unpacked; the first time takes a few minutes) …"
	@$(UV_INSTALL) -r requirements/train.txt && $(INSTALLED)
	@touch $@

$(DEV): $(BUILD) requirements/serve.txt requirements/train.txt requirements/dev.txt
	@echo "Installing the packages that serve, train, test and check …"
	@$(UV_INSTALL) -r requirements/dev.txt && $(INSTALLED)
	@touch $(TRAIN) $@

$(PROJECT): $(BUILD) pyproject.toml
	@$(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation --editable .
	@touch $@
