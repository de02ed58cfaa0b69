# Two commands do everything: `make run` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
QUICK  := market_pipeline_tests/unit market_pipeline_tests/defs
REAL   := $(addprefix market_pipeline_tests/,spark integration browser)
report  = --durations 25 --junit-xml build/reports/$(1).xml
STAMP  := $(VENV)/.installed
export UV_LINK_MODE ?= copy
export DAGSTER_DISABLE_TELEMETRY := yes

.PHONY: run stop test test-compose test-nightly check unit install lock bench golden clean chromium

run: install ## start the whole pipeline; Ctrl-C stops it. Options: make run ARGS="--feed replay --replay-file F"
	@$(BIN)/market-pipeline up $(ARGS)

stop: install ## what `make run` started; the same ARGS="--data-dir D"
	@$(BIN)/market-pipeline down $(ARGS)

test: check chromium ## every test, against real servers; reports in build/reports
	@failed=; \
	$(BIN)/pytest --numprocesses 2 $(call report,quick) $(QUICK) $(ARGS) || failed="quick tests"; \
	$(BIN)/pytest -m "not nightly" $(call report,real-servers) $(REAL) $(ARGS) || failed="$${failed:+$$failed and }real servers"; \
	test -z "$$failed" || { echo "failed: $$failed"; exit 1; }

check: install ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

test-compose: install ## builds the images and runs docker-compose.yml, on a running engine or one that it starts (root)
	$(BIN)/pytest $(call report,compose) market_pipeline_tests/compose $(ARGS)

test-nightly: install ## what is too slow for every change
	$(BIN)/pytest -m "nightly or compose" $(call report,nightly) $(addprefix market_pipeline_tests/,integration nightly compose) $(ARGS)

unit: install ## the quick tests alone, two at a time
	$(BIN)/pytest --numprocesses 2 $(QUICK) $(ARGS)

golden: install ## after a change that is meant: the copies of help, screens, segments and messages that tests compare with
	UPDATE_GOLDEN=yes $(BIN)/pytest -q market_pipeline_tests/unit/golden

bench: install ## latency, catch-up and cost, beside what one would write instead
	$(BIN)/python -m market_pipeline_tests.bench $(ARGS)

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -x $(UV) || { $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: Python 3.11 to 3.13 is needed, $(PYTHON) is something else: make PYTHON=python3.12 …"; exit 1; }; \
	  echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9; }
	@echo "installing $$(grep -c '==' requirements.lock) locked packages (pyspark alone is 450 MB)"
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --python $(BIN)/python --quiet --no-deps --editable .
	@touch $@

chromium: ## the browser tests drive Debian's Chromium
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && echo "installing chromium" && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || { echo "error: the browser tests need Chromium as 'chromium' on PATH: apt-get install chromium"; exit 1; }

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes
DEPLOY  = market_pipeline/deploy

lock: install ## after a change of dependencies in pyproject.toml
	$(COMPILE) --group dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --no-strip-extras --extra containers --constraint requirements.lock pyproject.toml --output-file $(DEPLOY)/pipeline.lock
	$(COMPILE) --group servers --constraint requirements.lock --output-file $(DEPLOY)/servers.lock

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
