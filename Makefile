# The verbs of this repository. Each sets up .venv by itself; all they need is Python 3.11+ and make, and `broker` Java 17 and Maven.

PYTHON ?= python3
BIN := .venv/bin
# Tests wait about as much as they compute. A file of tests stays together: what it starts is started once.
SEVERAL := -n auto --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run broker pictures paint test doors long contract canaries fuzz chance hours promises suppressed retries races faults chaos reliability check bench docs lock wheel clean
.DELETE_ON_ERROR:

run: .venv/for-run ## Start the demo: a campaign on simulated phones, with its numbers moving.
	@trap : INT; $(BIN)/outdial demo || [ $$? -eq 130 ]

broker: ## A Kafka broker on 127.0.0.1:9092, without Docker (needs Java 17 and Maven). Other: make broker PORT=19092 SIZE=3
	@PYTHONPATH=tests $(PYTHON) -m brokers --port $(or $(PORT),9092) --size $(or $(SIZE),1)

test: .venv/for-development ## Run all tests; those of the doors on Kafka once each. Some only: make test TESTS=tests/schemas
	$(BIN)/python -m pytest $(SEVERAL) --on-kafka=spread $(TESTS)

doors: .venv/for-development ## Run every test of HTTP, command line and import on Kafka, and the page in a browser.
	$(BIN)/python -m pytest $(SEVERAL) --on-kafka=only tests/api tests/cli tests/imports tests/test_documents.py tests/page/on_kafka.py

long: .venv/for-development ## Run the tests that take minutes each: a broker that is away for two, a plan that brings back 200,000 targets; and restore what was lost on Kafka.
	$(BIN)/python -m pytest tests/troubles/long.py tests/troubles/restoring.py

contract: .venv/for-development ## Run the tests of every row of the contract and write docs/contract.md.
	PYTHONPATH=tests:. $(BIN)/python -m contract

canaries: .venv/for-development ## Send 1,000 tokens and numbers through every route and look for them where they do not belong. Other: make canaries CANARIES=50
	$(BIN)/python -m pytest tests/api/test_canaries.py --canaries=$(or $(CANARIES),1000)

fuzz: .venv/for-development ## Generated requests to every route: 20,000 and more. Other: make fuzz CASES=5000 SEED=7
	PYTHONPATH=tests:. $(BIN)/python -m fuzz --cases $(or $(CASES),20000) --seed $(or $(SEED),1)

suppressed: .venv/for-development ## Put numbers on the list while 1,000 requests a second are made on 12 partitions: none to them after the answer; then kill the service while caps and the list hold. Other: make suppressed RATE=300 KILLS=5
	RATE=$(or $(RATE),1000) SECONDS_OF_IT=10 $(BIN)/python -m pytest tests/troubles/test_suppressed.py
	SPARED_KILLS=$(or $(KILLS),20) $(BIN)/python -m pytest tests/faults/test_spared.py

retries: .venv/for-development ## Send requests again and again, losing answers, and count what came of them. Other: make retries RETRIES=500
	$(BIN)/python -m pytest tests/api/test_retries.py --retries=$(or $(RETRIES),10000)

chance: .venv/for-development ## Run the tests that draw their examples with new ones, 10 times; `make test` has the same every time. Other: make chance TIMES=100
	for time in $$(seq $(or $(TIMES),10)); do $(BIN)/python -m pytest $(SEVERAL) -m hypothesis --hypothesis-profile=drawn $(TESTS) || exit; done

hours: .venv/for-development ## Hold calling windows against an oracle: a million cases, every change of the clock of every zone. Other: make hours SEED=7
	PYTHONPATH=tests:. $(BIN)/python -m hours $(SEED)

promises: .venv/for-development ## Race lists of whom not to call, caps, pace, stops and deletes against due calls. Other: make promises PROMISES=100
	PROMISES=$(or $(PROMISES),10000) SHARES=$(or $(PROMISES),10000) STEPS=50 $(BIN)/python -m pytest tests/dialing/test_promises.py tests/dialing/test_shares.py

races: .venv/for-development ## Race run, stop, plans and deletes over two API processes on a real Kafka, and check. Other: make races RACES=100 SEED=7
	PYTHONPATH=tests:. $(BIN)/python -m races --races $(or $(RACES),1000) $(if $(SEED),--seed $(SEED))

faults: .venv/for-development ## Kill, pause and mislead ledgers and brokers on a real Kafka, and check. Takes up to half an hour.
	$(if $(GOAL),,$(BIN)/python -m pytest tests/brokers/three.py)
	PYTHONPATH=tests:. $(BIN)/python -m faults.chaos $(if $(KAFKA),--kafka $(KAFKA)) $(foreach goal,$(GOAL),--goal $(goal))

chaos: .venv/for-development ## The same until the night's sizes are written down in docs/results/chaos.jsonl; stop it and go on whenever you like. A peer's 20 kills: make chaos GOAL=G1 PEER=faust-rocksdb
	$(if $(findstring rocksdb,$(PEER)),$(BIN)/python -m pip --disable-pip-version-check --quiet install "rocksdict>=0.3.29")
	PYTHONPATH=tests:. $(BIN)/python -m faults.chaos $(if $(PEER),--peer $(PEER) --until 20,--night) $(foreach goal,$(GOAL),--goal $(goal))

reliability: .venv/for-development ## Write docs/reliability.md from docs/results/chaos.jsonl.
	PYTHONPATH=tests:. $(BIN)/python -m faults.chaos --report

check: .venv/for-development ## Lint, format and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy tests docs benchmarks examples

bench: .venv/for-development ## Measure.
	$(BIN)/python -m benchmarks

docs: .venv/for-development ## Write again every file that is made from the code.
	$(BIN)/python docs/generate.py

pictures: .venv/for-development ## Take the pictures of the page in docs/pictures/ (needs Chromium).
	PYTHONPATH=tests:. $(BIN)/python -m page.pictures

paint: .venv/for-development ## Measure how soon the page of a long list is there (needs Chromium). Other: make paint TARGETS=1000 TIMES=3
	PYTHONPATH=tests:. $(BIN)/python -m page.paint $(or $(TARGETS),100000) $(or $(TIMES),10)

lock: ## Resolve the locks anew (needs uv).
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	    --group build --extra worker pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --group dev --extra worker --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock

wheel: .venv/for-development ## Build the wheel into dist/.
	rm -rf dist
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what these verbs made. Data folders stay.
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

.venv/for-run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Outdial needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@echo "Setting up .venv (once; it takes about a minute)"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/for-development: .venv/for-run requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
