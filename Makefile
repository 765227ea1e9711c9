# Every target that runs Python makes its own environment first: any of them works as the first command in a clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first one that can make environments. Debian's own comes first: it is built with profile-guided optimization, which
# not every Python on a PATH is; the detector takes a tenth to a third longer on one that is not.
PYTHON ?= $(shell for python in /usr/bin/python3.11 python3.11 python3; do \
	if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then command -v "$$python"; exit; fi; done; command -v python3)
PYTEST_ARGS ?=
# Two processes, each with a broker of its own; a file's tests stay together. PARALLEL= runs one after the other.
PARALLEL ?= --numprocesses 2 --dist loadfile
BENCH_ARGS ?=
DEMO_ARGS ?=
FAULT_ROUNDS ?= 10
UV_ARGS ?=
BIN := .venv/bin
RUNTIME := .venv/runtime.stamp
DEV := .venv/dev.stamp
TOKEN_KEY := .run/secrets/token_key
GATEWAY_TOKENS := .run/secrets/gateway_tokens
DASHBOARD_TOKENS := .run/secrets/dashboard_tokens
COMPOSE ?= docker compose
LABELLED := ../shared/data/labelled
SCORE := ../shared/evaluation/score.py
# The locks are complete (--no-deps), and compiling every module takes longer than compiling those that are used.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
	--only-binary :all: --no-deps --no-compile
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make requirements' $(UV_ARGS)

.PHONY: help setup check test contract integration faults evaluate bench demo docs lambda requirements up down clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(RUNTIME) ## Prepare .venv for the detector and the command line; runs nothing
	@command -v java >/dev/null && command -v mvn >/dev/null \
		|| echo "No Java or Maven for the local Kafka: apt-get install openjdk-17-jre-headless maven (or, with Docker: make up)"
	@echo "Ready: $(BIN)/python -m app --help"

check: $(DEV) ## Format, lint, types and unit tests: under a minute, no broker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL) tests/unit $(PYTEST_ARGS)

test: $(DEV) ## All tests, on a real Kafka that they start (PYTEST_ARGS='-k name')
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

contract: $(DEV) ## What every store promises, against its real server: under a minute
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup tests/contract $(PYTEST_ARGS)

integration: $(DEV) ## Tests of the parts together, on the real Kafka
	$(BIN)/python -m pytest $(PARALLEL) tests/integration $(PYTEST_ARGS)

faults: $(DEV) ## Faults at random moments, FAULT_ROUNDS=10 times with each store (hours); `make test` has each once
	FAULT_ROUNDS=$(FAULT_ROUNDS) $(BIN)/python -m pytest $(PARALLEL) tests/faults $(PYTEST_ARGS)

evaluate: $(RUNTIME) ## Judge ../shared/data/labelled and score the verdicts (skipped where it is absent)
	@if [ ! -d $(LABELLED) ] || [ ! -f $(SCORE) ]; then \
		echo "skipped: $(LABELLED) or $(SCORE) is not beside the project"; exit; fi; \
	mkdir -p .run; \
	$(BIN)/python -m app replay --input $(LABELLED)/events.jsonl.gz --output .run/evaluation.jsonl; \
	$(BIN)/python $(SCORE) $(LABELLED)/labels.csv .run/evaluation.jsonl

bench: $(DEV) ## Measure the detector beside Kafka Streams, and its sources (BENCH_ARGS='latency --runs 1')
	$(BIN)/python -m bench $(BENCH_ARGS)

demo: $(RUNTIME) ## Kafka, the detector and a stream of purchases, live (DEMO_ARGS='--seconds 30')
	$(BIN)/python -m app demo $(DEMO_ARGS)

docs: $(RUNTIME) ## Write the generated documents: docs/schemas, docs/asyncapi.json, docs/settings.md
	$(BIN)/python -m app schemas
	$(BIN)/python -m app settings > docs/settings.md.new
	mv docs/settings.md.new docs/settings.md

lambda: $(RUNTIME) ## Zip the Lambda function of deploy/aws/lambda into .run/lambda.zip, for Python 3.11 on x86-64
	@rm -rf .run/lambda .run/lambda.zip && mkdir -p .run/lambda/app .run/lambda/streaming
	@$(INSTALL) --target .run/lambda --python-version 3.11 --implementation cp --platform manylinux_2_28_x86_64 \
		--platform manylinux2014_x86_64 --platform any -r requirements/lambda.txt
	@cp -r models privacy sinks .run/lambda
	@cp app/__init__.py app/settings.py app/readable_file.py app/timestream.py app/sensor_database.py .run/lambda/app
	@cp streaming/__init__.py streaming/errors.py .run/lambda/streaming
	@cp deploy/aws/lambda/handler.py .run/lambda
	@find .run/lambda -name __pycache__ -type d -prune -exec rm -rf {} +
	@$(BIN)/python -c "import shutil; shutil.make_archive('.run/lambda', 'zip', '.run/lambda')"
	@du -h .run/lambda.zip

requirements: $(DEV) ## Pin and hash requirements/*.in again (UV_ARGS=--upgrade for newer versions)
	$(LOCK) --output-file requirements/installer.txt requirements/installer.in
	$(LOCK) --output-file requirements/runtime.txt requirements/runtime.in
	$(LOCK) --output-file requirements/dev.txt requirements/dev.in
	$(LOCK) --output-file requirements/lambda.txt requirements/lambda.in

up: $(TOKEN_KEY) $(GATEWAY_TOKENS) $(DASHBOARD_TOKENS) ## Kafka and the workers in Docker (COMPOSE_PROFILES=simulate,gateway,page adds these)
	$(COMPOSE) up --build --detach

down: ## Stop what `make up` started; topics and tables stay
	$(COMPOSE) --profile '*' down

clean: ## Stop the local Kafka; delete .venv, .run (its data too) and caches
	@if [ -x $(BIN)/python ] && [ -d .run/kafka ]; then $(BIN)/python -m app kafka stop; fi
	rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A changed lock makes the environment anew, so that nothing is in it but what the lock names.
# The pip that Debian 12 has takes three times as long to read the index as a new one, which is two seconds away.
$(RUNTIME): requirements/runtime.txt requirements/installer.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing $< into .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@$(INSTALL) -r requirements/installer.txt
	@$(INSTALL) -r $<
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	@echo "Installing $< into .venv ..."
	@$(INSTALL) -r $<
	@touch $@

# A key with its id, a token, and one with a role. The folder keeps other users out; the file itself must be readable for the container's user, whoever that is.
$(TOKEN_KEY) $(GATEWAY_TOKENS) $(DASHBOARD_TOKENS):
	@install -d -m 700 $(@D)
	@printf '%s%s\n' "$(if $(filter $(TOKEN_KEY),$@),k1:)$(if $(filter $(DASHBOARD_TOKENS),$@),desk:)" "$$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" > $@
	@chmod 644 $@
