# `make` alone prints the targets. Everything is made inside of the checkout: .venv, .venv-emulator, node_modules, .shop.
SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Without bytecode on disk, each run of the tests would compile and rewrite every module anew, for as long as it tests.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
UV := $(VENV)/bin/uv
MEMBERS := $(sort $(patsubst %/pyproject.toml,%,$(wildcard packages/*/pyproject.toml functions/*/pyproject.toml)))
FUNCTIONS := $(notdir $(filter functions/%,$(MEMBERS)))
PACKAGES := $(patsubst packages/%,shop-%,$(filter packages/%,$(MEMBERS)))
FUNCTION ?=
COMMA := ,
EVERY := packages functions tests web/tests
# These suites need no running shop, and deploy nothing. The others mostly wait for theirs, and two cannot deploy from
# one checkout at once.
ASIDE := functions $(filter-out packages/cli,$(filter packages/%,$(MEMBERS))) tests/faults tests/simulation tests/releases tests/distributed
REST = $(VENV)/bin/pytest $(patsubst %,--ignore=%,tests/templates tests/rehearsal $(ASIDE)) $(filter-out $(ASIDE) web/tests,$(EVERY))
# The storefront's suite is a run of its own: Playwright's event loop stays until the end of one, and others start theirs.
WEB_LAST = ( $(REST); rest=$$?; $(VENV)/bin/pytest web/tests && exit $$rest )
TESTS ?= $(if $(FUNCTION),$(if $(filter web,$(FUNCTION)),web/tests,functions/$(FUNCTION)),$(EVERY))
UNIT := $(VENV)/bin/pytest --quiet -m "not slow and not emulator"
LOCK_FLAGS := --universal --generate-hashes --no-header --no-annotate --quiet --python-version 3.11 $(PACKAGES:%=--no-emit-package %)

.PHONY: help setup run down lock unit test check format types imports drift templates web web-dev web-screenshots web-unit browser schemas openapi commands released simulate simulate-nightly rehearsal chaos hammer outage burst load hot-stock mutants bench bench-check cost scale build clean
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready .venv-emulator/.ready node_modules/.ready ## make the environments: Python, emulator, Node

.venv/.ready: requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@echo "Python environment in .venv"
	@test -x $(VENV)/bin/python || "$$(bin/find-python)" -m venv $(VENV)
	@$(UV) --version 2>/dev/null | grep -q ' $(UV_VERSION) ' || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps $(MEMBERS:%=-e %)
	@test -e $(VENV)/bin/python3.13 || ln -s python $(VENV)/bin/python3.13
	@$(VENV)/bin/python -m shop_openapi --served
	@touch $@

.venv-emulator/.ready: packages/cli/emulator.lock | .venv/.ready
	@echo "Emulator environment in .venv-emulator"
	@$(UV) venv --quiet --allow-existing --python "$$($(VENV)/bin/python -c 'import sys; print(sys._base_executable)')" .venv-emulator
	@$(UV) pip sync --quiet --python .venv-emulator/bin/python --require-hashes packages/cli/emulator.lock
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "Deploy tools in node_modules"
	@npm ci --silent --no-progress
	@touch $@

web/node_modules/.ready: web/package.json web/package-lock.json
	@echo "Storefront's environment in web/node_modules"
	@cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-progress
	@touch $@

run: setup web/node_modules/.ready ## start the shop on this machine and stay in the foreground until Ctrl-C
	@./shop up

down: ## stop the shop of this checkout; its data stays
	@./shop down

lock: ## bring the lock files up to date with every pyproject.toml
	@$(UV) pip compile $(LOCK_FLAGS) $(FUNCTIONS:%=--no-emit-package %) --group pyproject.toml:dev $(MEMBERS:%=%/pyproject.toml) -o requirements.lock
	@for function in $(FUNCTIONS); do $(UV) pip compile $(LOCK_FLAGS) --no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer functions/$$function/pyproject.toml -o functions/$$function/requirements.lock || exit 1; done
	@$(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet --python-version 3.11 packages/cli/emulator.in -o packages/cli/emulator.lock

# Two runs of pytest beside each other: what the first one prints comes last, and Ctrl-C ends both.
define at_once
@mkdir -p .pytest_cache; set -m; $(1) > .pytest_cache/aside.log 2>&1 & aside=$$!; set +m; \
trap 'exit 130' INT TERM; trap 'kill -INT -- -$$aside 2>/dev/null; wait $$aside' EXIT; \
$(2); status=$$?; wait $$aside || status=$$?; cat .pytest_cache/aside.log; exit $$status
endef

test: setup $(if $(FUNCTION),,check) $(if $(filter web/tests,$(TESTS)),browser web-unit) ## run every check and suite; FUNCTION=shop-query runs that function's suite alone, FUNCTION=web the storefront's
ifeq ($(TESTS),$(EVERY))
	@echo "These suites run beside the others, and are reported after them: $(ASIDE)"
	$(call at_once,$(VENV)/bin/pytest $(ASIDE),$(WEB_LAST))
else
	@$(VENV)/bin/pytest --ignore=tests/templates $(TESTS)
endif

unit: setup $(if $(filter web,$(FUNCTION)),web/node_modules/.ready) ## the fast lane: every test that starts no process and opens no database; FUNCTION=shop-query for one function
ifeq ($(TESTS),$(EVERY))
	$(call at_once,$(UNIT) functions,$(UNIT) packages)
else ifeq ($(FUNCTION),web)
	@cd web && npm run --silent unit
else
	@$(UNIT) $(TESTS)
endif

check: setup format types imports web drift templates ## lint, types, import contracts, the storefront's types and format, generated files, templates

format:
	@$(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/ruff check --quiet .

types:
	@for suite in $(MEMBERS) tests web/tests; do $(VENV)/bin/mypy --no-error-summary $$suite || exit 1; done # each has a conftest of its own

imports:
	@$(VENV)/bin/lint-imports --no-cache | tail -n 3; exit $${PIPESTATUS[0]}

drift: web/node_modules/.ready
	@$(VENV)/bin/python -m shop_shared.schemas packages/shared/schemas --document docs/events.md --check
	@$(VENV)/bin/python -m shop_shared.struct_source packages/shared/src/shop_shared/structs.py --check
	@$(VENV)/bin/python -m shop_shared.catalog infra/events-table.json --check
	@$(VENV)/bin/python -m shop_openapi --check
	@$(VENV)/bin/python -m shop_cli.commands_page --check
	@$(VENV)/bin/python -m bench.cost --check
	@cd web && npm run --silent types -- --check

web: web/node_modules/.ready
	@cd web && npm run --silent check

web-unit: web/node_modules/.ready
	@cd web && npm run --silent unit

browser:
	@command -v chromium > /dev/null || { echo "The storefront's tests need Chromium: apt-get install chromium" >&2; exit 1; }

web-dev: setup web/node_modules/.ready ## serve the storefront on port 5173 with hot reload, before the shop that runs
	@cd web && npm run --silent dev

web-screenshots: setup ## take pictures of the storefront's main pages at the running shop; README=yes also takes the README's
	@$(VENV)/bin/python web/screenshots.py $(if $(README),--readme)

templates:
	@$(VENV)/bin/pytest --quiet tests/templates

schemas: setup ## write the JSON Schemas, docs/events.md, the structs and the columns of the archive's table from the event package
	@$(VENV)/bin/python -m shop_shared.schemas packages/shared/schemas --document docs/events.md
	@$(VENV)/bin/python -m shop_shared.struct_source packages/shared/src/shop_shared/structs.py
	@$(VENV)/bin/python -m shop_shared.catalog infra/events-table.json

openapi: setup web/node_modules/.ready ## write the API's document, its page, docs/problems.md and the storefront's types from the code
	@$(VENV)/bin/python -m shop_openapi
	@cd web && npm run --silent types

commands: setup ## write docs/commands.md from the command line and this file
	@$(VENV)/bin/python -m shop_cli.commands_page

released: setup ## tag this commit as a release of the API and shop-query, which later ones must not break
	@$(VENV)/bin/python -m shop_openapi --release

.PHONY: cost scale
cost: setup ## package the stages, count what commands ask of AWS, and write docs/cost.md
	@$(VENV)/bin/python -m bench.stacks
	@$(VENV)/bin/python -m bench.scale.counts
	@$(VENV)/bin/python -m bench.cost

scale: setup ## simulate 100 to a million purchases a second, a flash sale, a lost zone and a replay, and write docs/scale.md
	@$(VENV)/bin/python -m bench.scale

simulate: setup ## explore how the shop can fail, two faults at once; SEED=7 STEPS=120 replays one random run
	@$(VENV)/bin/python -m shop_simulation $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS))

simulate-nightly: setup ## the same with three faults at once and 10,000 random runs, for some hours
	@$(VENV)/bin/python -m shop_simulation --faults 3 --seeds 10000 $(if $(STEPS),--steps $(STEPS))

rehearsal: setup web/node_modules/.ready ## deploy stage rehearsal from nothing by ./shop deploy, to an emulator of its own, in some minutes
	@$(VENV)/bin/pytest tests/rehearsal

chaos: setup ## kill -9 functions and payment provider during PURCHASES=500, then audit the shop, which runs detached; SEED=1
	@$(VENV)/bin/python -m bench.chaos $(if $(PURCHASES),--purchases $(PURCHASES)) $(if $(SEED),--seed $(SEED))

hammer: setup ## send every route of the running shop at random for MINUTES=10, twice at once and again, then audit it; SEED=1
	@$(VENV)/bin/python -m bench.hammer $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

outage: setup ## stop PostgreSQL for SECONDS=60, kill -9 each server while customers buy, then audit the shop, which runs detached
	@$(VENV)/bin/python -m bench.outage $(if $(SECONDS),--seconds $(SECONDS))

burst: setup ## send CLIENTS=16 at once to the running shop while no function of it has a process, and again
	@$(VENV)/bin/python -m bench.burst $(if $(CLIENTS),--clients $(CLIENTS))

load: setup ## visit the running shop RATE=5 times a second for MINUTES=2 as people do, then audit it; SEED=1
	@$(VENV)/bin/python -m bench.load $(if $(RATE),--rate $(RATE)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

hot-stock: setup ## 10,000 reservations by 64 clients of 100 units at 1, 8 and 64 buckets of the running shop, then audit it
	@$(VENV)/bin/python -m bench.hot_stock $(if $(ATTEMPTS),--attempts $(ATTEMPTS)) $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(BUCKETS),--buckets $(BUCKETS))

mutants: setup ## change FUNCTION=shop-command in thousands of small ways, and list what its tests let through; ONLY=name.* SAMPLE=200 SEED=1
	@$(VENV)/bin/python -m bench.mutants $(or $(FUNCTION),shop-command) $(if $(ONLY),--only "$(ONLY)") $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

BENCHMARKS = $(subst $(COMMA), ,$(or $(ONLY),handlers query start tracing dispatch rebuild reserve sweep visible burst))

bench: setup ## measure against peers and floors, and record it; in some twenty minutes; ONLY=query,dispatch
	@$(VENV)/bin/python -m bench.suite $(BENCHMARKS)

bench-check: setup ## measure again, and say what got worse than recorded by more than the noise; ONLY=query,dispatch
	@$(VENV)/bin/python -m bench.suite --check $(BENCHMARKS)

build: setup ## build the artifact of every function, for AWS
	@for function in $(FUNCTIONS); do ./shop build $$function || exit 1; done

clean: ## remove the environments and what was built; the local shop in .shop stays
	rm -rf .venv .venv-emulator node_modules web/node_modules web/dist functions/*/dist functions/*/.serverless .serverless .mutants .mypy_cache .ruff_cache .pytest_cache
