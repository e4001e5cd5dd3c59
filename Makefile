# The commands of this project; `make` alone lists them. Each is one script in scripts/, for which Python 3.10 or later
# is enough: what else is needed, they fetch. Ports and the rest are settings: make demo SMART_DAIRY_HTTP_PORT=8070
PYTHON ?= python3

.PHONY: help setup demo test test-faults lint stop clean bench fuzz

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

setup: ## Fetch and prepare all that the demo and the tests run on
	@$(PYTHON) scripts/set_up.py

demo: ## Set up what is missing and run the product with a simulated farm; Ctrl-C stops it
	@$(PYTHON) scripts/demo.py $(SIMULATE)

test: ## Set up what is missing and run every test, once per Odoo series; writes build/test-report.json
	@$(PYTHON) scripts/test.py

test-faults: ## Break each part 20 times under load and count every message, see docs/faults.md; takes an hour or two
	@$(PYTHON) scripts/fault.py

bench: ## Measure the platform, see docs/benchmarks.md; `make bench-ingest` and the like measure one thing
	@$(PYTHON) scripts/bench.py $(SERIES:%=--series %)

bench-%:
	@$(PYTHON) scripts/bench.py $(SERIES:%=--series %) $*

fuzz: ## Send 100,000 made-up, damaged and random messages through decoder, store and database
	@FUZZ_MESSAGES=100000 $(PYTHON) scripts/test.py --series 17.0 --integration -- -k test_fuzz -s

lint: ## Check the whole tree
	@scripts/lint.sh

stop: ## Stop a demo of this checkout, wherever it was started
	@$(PYTHON) scripts/stop.py

clean: ## Stop, and remove .local/ and build/; the cache outside the checkout stays
	@$(PYTHON) scripts/stop.py --clean
