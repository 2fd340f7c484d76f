# `make` lists what there is. Everything that is installed or written goes below .venv and .cache.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Hundreds of short processes load the program: without its bytecode, each would compile it again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CHECKOV := .cache/checkov
WORKERS ?= 4
PYTEST_ARGS ?=
PROFILES ?=
REGION ?=
READ_ONLY ?=
LOCK_ARGS ?=

# uv must not look after Pythons of its own in the home folder.
COMPILE := UV_PYTHON_DOWNLOADS=never UV_PYTHON_INSTALL_DIR=.cache/uv-python "$(BIN)/python" -m uv \
	pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
	--no-annotate --system-certs --cache-dir .cache/uv

SCHEMA := "$(BIN)/python" -m check_jsonschema --builtin-schema

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: $(STAMP) ## Install what the other targets need into .venv (PYTHON=... chooses the Python)

$(STAMP): requirements-dev.txt requirements-terraform-1.6.txt
	@PYTHON="$(PYTHON)" tools/setup.sh "$(VENV)"
	@touch "$(STAMP)"

# A virtual environment of its own, made when it is first needed.
$(CHECKOV)/.installed: $(STAMP) requirements-checkov.txt
	@echo "installing the packages of requirements-checkov.txt into $(CHECKOV); once, about a minute" >&2
	@rm -rf "$(CHECKOV)"
	@"$(BIN)/python" -m uv venv --quiet --python "$(BIN)/python" "$(CHECKOV)"
	@"$(BIN)/python" -m uv pip install --quiet --system-certs --cache-dir .cache/uv --require-hashes \
		--python "$(CHECKOV)/bin/python" -r requirements-checkov.txt
	@touch "$(CHECKOV)/.installed"

.PHONY: test
test: $(STAMP) ## Run all tests, with every Terraform there is (PYTEST_ARGS=... goes to pytest)
	@"$(BIN)/python" -m pytest -n "$(WORKERS)" --maxschedchunk 1 $(PYTEST_ARGS)

.PHONY: acceptance
acceptance: $(STAMP) ## Ask real accounts what the module relies on (PROFILES="dev staging" REGION=... READ_ONLY=1)
	@"$(BIN)/python" -m tests.support.aws_contract --profiles "$(PROFILES)" --region "$(REGION)" \
		$(if $(READ_ONLY),--read-only) $(if $(PATIENCE),--patience "$(PATIENCE)")

.PHONY: demo
demo: $(STAMP) ## Run the main job on the sandbox: three accounts, drift, repair, destroy
	@"$(BIN)/python" -m tools.demo

.PHONY: bench
bench: $(STAMP) ## Measure the program and the plans against what else there is
	@"$(BIN)/python" -m tools.bench

.PHONY: lint
lint: $(STAMP) $(CHECKOV)/.installed ## Check Python, its imports, Terraform, spelling, and the files that GitHub reads
	@"$(BIN)/python" -m ruff check .
	@"$(BIN)/python" -m ruff format --check .
	@"$(BIN)/python" -m tools.typecheck
	@PYTHONPATH=.:scripts "$(BIN)/lint-imports" --no-logo
	@"$(BIN)/python" -m tools.lint_terraform
	@"$(BIN)/python" -m tools.lint_unused
	@"$(CHECKOV)/bin/python" -m checkov.main --directory modules --framework terraform --compact --quiet --skip-download
	@"$(BIN)/python" -m tools.docs --check
	@"$(BIN)/python" -m codespell_lib
	@"$(BIN)/python" -m tools.lint_language
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yml examples/*/*.yml
	@$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(SCHEMA) vendor.dependabot .github/dependabot.yml
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*))

.PHONY: docs
docs: $(STAMP) ## Write the tables of inputs and outputs into the READMEs
	@"$(BIN)/python" -m tools.docs

.PHONY: fmt
fmt: $(STAMP) ## Format Python and Terraform in place
	@"$(BIN)/python" -m ruff check --fix-only --quiet .
	@"$(BIN)/python" -m ruff format .
	@"$(BIN)/python" -m tools.lint_terraform --fix

.PHONY: function
function: $(STAMP) ## Pack the JITR function into modules/jitr/function.zip
	@"$(BIN)/python" -m tools.function_zip

.PHONY: lock
lock: $(STAMP) ## Compile requirements*.txt from pyproject.toml (LOCK_ARGS=--upgrade takes the newest packages)
	@$(COMPILE) $(LOCK_ARGS) pyproject.toml --output-file requirements.txt
	@$(COMPILE) $(LOCK_ARGS) pyproject.toml --extra status --group dev --constraints requirements.txt \
		--output-file requirements-dev.txt
	@$(COMPILE) $(LOCK_ARGS) --group checkov --output-file requirements-checkov.txt

.PHONY: clean
clean: ## Remove everything that make has made
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name .terraform -type d -prune -exec rm -rf {} +
