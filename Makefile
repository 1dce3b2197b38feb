# `make run` serves a demo on http://127.0.0.1:8080, `make test` checks everything CI checks.
.PHONY: run test lint types contracts unit sanitize fuzz setup setup-test clean

# How long `make fuzz` looks for faults.
SECONDS ?= 60

run: setup
	.venv/bin/streamer demo

# The sanitizers and the fuzzer run beside the tests, which wait more than they compute; their output comes after.
test: setup-test lint types contracts
	@mkdir -p build
	@{ $(MAKE) --no-print-directory sanitize && $(MAKE) --no-print-directory fuzz; } >build/sanitize.log 2>&1 & \
	beside=$$!; failed=0; \
	$(MAKE) --no-print-directory unit || failed=1; \
	wait $$beside || failed=1; \
	cat build/sanitize.log; exit $$failed

setup:
	@ops/bootstrap.sh run

setup-test:
	@ops/bootstrap.sh test

lint: setup-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup-test
	.venv/bin/mypy

contracts: setup-test
	.venv/bin/lint-imports

unit: setup-test
	.venv/bin/python -m pytest --cov --cov-report=term:skip-covered

# The native plane with AddressSanitizer and UndefinedBehaviorSanitizer, in build/sanitized.
sanitize: setup-test
	.venv/bin/python -m tests.sanitized -m pytest -q -p tests.sanitized.plugin -p no:faulthandler -p no:cacheprovider \
		tests/sanitized/proof.py tests/transport/plane/test_native.py

fuzz: setup-test
	.venv/bin/python -m tests.sanitized -m tests.fuzz --seconds $(SECONDS)

clean:
	rm -rf .venv build *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache
