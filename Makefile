# Two commands do everything: `make run` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
tests   = $(addprefix market_pipeline_tests/,$(1))
# of the quick tests, which wait for half of the time, some for long: a worker without work takes another's
workers = --numprocesses 4 --dist worksteal
report  = --durations 25 --junit-xml build/reports/$@.xml
STAMP  := $(VENV)/.installed
DEPLOY := market_pipeline/deploy
BENCH  := build/bench/venv
STAGES := quick spark browser integration pipelines
export UV_LINK_MODE ?= copy
export DAGSTER_DISABLE_TELEMETRY := yes
# or each of a thousand processes would compile anew all that it imports, which is most of a start
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run stop test test-compose test-nightly check unit install lock bench soak golden clean chromium class-archive \
  integration pipelines quick spark browser light coverage

run: install ## start the whole pipeline; Ctrl-C stops it. Options: make run ARGS="--feed replay --replay-file F"
	@$(BIN)/market-pipeline up $(ARGS)

stop: install ## what `make run` started; the same ARGS="--data-dir D"
	@$(BIN)/market-pipeline down $(ARGS)

test: install ## every test, against real servers; reports in build/reports
	@rm -f build/reports/*.xml; failed=; make="$(MAKE) --no-print-directory --keep-going"; \
	$$make --jobs 2 check class-archive chromium || failed=yes; \
	$$make --jobs 2 integration light || failed=yes; \
	$$make pipelines || failed=yes; \
	for each in $(STAGES); do sed -n "s|.*testsuite name=\"pytest\" \(errors.*\) timestamp.*|$$each: \1|p" build/reports/$$each.xml; echo; done; \
	test -z "$$failed" || { echo "failed: the lines above that end in 'Error' name the stage"; exit 1; }

# tests against servers leave a core to those without; the output of these comes when they are through, or both would mix
light: | build/reports
	@failed=; for stage in quick spark browser; do $(MAKE) --no-print-directory $$stage || failed=yes; done >build/reports/light.log 2>&1; \
	cat build/reports/light.log; test -z "$$failed"

integration: install class-archive | build/reports
	@$(BIN)/pytest -m "not nightly" $(report) $(call tests,integration) $(ARGS)

# alone: a pipeline uses a core for as long as its tests last, and they last longer beside others
pipelines: install class-archive | build/reports
	@$(BIN)/pytest -m "not nightly" $(report) $(call tests,pipelines) $(ARGS)

quick: install class-archive | build/reports
	@$(BIN)/pytest $(workers) $(report) $(call tests,unit defs) $(ARGS)

spark: install class-archive | build/reports
	@$(BIN)/pytest -m "not nightly" $(report) $(call tests,spark writer) $(ARGS)

browser: install chromium | build/reports
	@$(BIN)/pytest -m "not nightly" $(report) $(call tests,browser) $(ARGS)

build/reports:
	@mkdir -p $@

class-archive: install ## makes each start of Spark, Cassandra and Kafka cheaper; without it tests are only slower
	@$(BIN)/python -m market_pipeline.local.class_archive || true

check: install ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

test-compose: install ## builds the images and runs docker-compose.yml, on a running engine or one that it starts (root)
	$(BIN)/pytest $(report) $(call tests,compose) $(ARGS)

test-nightly: install coverage ## what is too slow for every change
	$(BIN)/pytest -m "nightly or compose" $(report) $(call tests,integration pipelines nightly compose) $(ARGS)

coverage: install | build/reports ## which lines the quick tests reach: nightly, for it costs more than a tenth of their time
	@$(BIN)/pytest $(workers) --cov --cov-report=term:skip-covered --cov-report=html:build/reports/coverage \
	  $(call tests,unit defs) $(ARGS)

unit: install ## the quick tests alone
	$(BIN)/pytest $(workers) $(call tests,unit defs) $(ARGS)

golden: install ## after a change that is meant: the copies of help, screens, segments and messages that tests compare with
	UPDATE_GOLDEN=yes $(BIN)/pytest -q market_pipeline_tests/unit/golden

bench: install $(BENCH)/.installed ## what the pipeline does on this machine, beside what one would write instead
	$(BIN)/python -m market_pipeline_tests.bench $(ARGS)

soak: install ## an hour of trades with a fault every minute, then every hop compared; ARGS="--minutes 10 --cluster"
	$(BIN)/python -m market_pipeline_tests.soak $(ARGS)

# Quix Streams wants an older client of Kafka than the pipeline has
$(BENCH)/.installed: market_pipeline_tests/bench/bench.lock
	@echo "making $(BENCH)"; $(BIN)/python -m venv --clear --without-pip $(BENCH)
	@$(UV) pip install --python $(BENCH)/bin/python --build-constraints $(DEPLOY)/build.lock --require-hashes -r $<
	@touch $@

# what a package is built with has a hash too
INSTALL = $(UV) pip install --python $(BIN)/python --build-constraints $(DEPLOY)/build.lock

install: $(STAMP)

$(STAMP): requirements.lock $(DEPLOY)/build.lock pyproject.toml
	@test -x $(UV) || { $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: Python 3.11 to 3.13 is needed, $(PYTHON) is something else: make PYTHON=python3.12 …"; exit 1; }; \
	  echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) && sed -n '/^uv==/,/^ *#/p' requirements.lock > $(VENV)/uv.lock \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock; }
	@echo "installing $$(grep -c '==' requirements.lock) locked packages (pyspark alone is 450 MB)"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --quiet --no-deps --editable .
	@touch $@

chromium: ## the browser tests drive Debian's Chromium
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && echo "installing chromium" && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || { echo "error: the browser tests need Chromium as 'chromium' on PATH: apt-get install chromium"; exit 1; }

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes

lock: install ## after a change of dependencies in pyproject.toml
	$(COMPILE) --group dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --group build --constraint requirements.lock --output-file $(DEPLOY)/build.lock
	$(COMPILE) --no-strip-extras --extra containers --constraint requirements.lock pyproject.toml --output-file $(DEPLOY)/pipeline.lock
	$(COMPILE) --group servers --constraint requirements.lock --output-file $(DEPLOY)/servers.lock
	$(COMPILE) --group bench --output-file market_pipeline_tests/bench/bench.lock

clean:
	rm -rf $(VENV) build mutants .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
