# `make run` serves a demo on http://127.0.0.1:8080, `make test` checks everything CI checks.
.PHONY: run test lint types contracts unit browser sanitize races fuzz setup setup-test clean

# How long `make fuzz` looks for faults.
SECONDS ?= 60
# Processes that share the tests without a browser.
WORKERS ?= 3

# Compiled modules are kept: without, each process that the tests start compiles all that it imports, for seconds.
unexport PYTHONDONTWRITEBYTECODE

run: setup
	.venv/bin/streamer demo

# Two lanes side by side, for most tests wait more than they compute. Chromium's goes first when both want the
# machine, as a page that is kept waiting looks broken; its output comes after the other's.
test: setup-test
	@mkdir -p build
	@$(MAKE) -k --no-print-directory browser sanitize races fuzz >build/beside.log 2>&1 & beside=$$!; failed=0; \
	nice -n 10 $(MAKE) -k --no-print-directory lint types contracts unit || failed=1; \
	wait $$beside || failed=1; \
	cat build/beside.log; exit $$failed

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
	tests/apart.sh .venv/bin/python -m slipcover --source streamer,transport,auth,ops --skip-covered \
		-m pytest -n $(WORKERS) --dist loadfile -m "not browser"

# Only files that name the mark are read: reading all takes longer than most tests.
browser: setup-test
	.venv/bin/python -m pytest -q -m browser $$(grep -rl --include='test_*.py' 'mark\.browser' tests)

# The native plane with AddressSanitizer and UndefinedBehaviorSanitizer, in build/sanitized.
sanitize: setup-test
	.venv/bin/python -m tests.sanitized memory -m pytest -q -p tests.sanitized.plugin -p no:faulthandler -p no:cacheprovider \
		tests/sanitized/proof.py tests/transport/plane/test_native.py tests/transport/plane/test_receive.py

# The native plane and SRT's inbox with ThreadSanitizer, in build/races.
races: setup-test
	.venv/bin/python -m tests.sanitized threads -m pytest -q -p tests.sanitized.races -p no:faulthandler \
		-p no:cacheprovider tests/transport/plane/test_native.py tests/transport/plane/test_receive.py \
		tests/transport/srt/test_inbox_native.py

fuzz: setup-test
	.venv/bin/python -m tests.sanitized memory -m tests.fuzz --seconds $(SECONDS)

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
