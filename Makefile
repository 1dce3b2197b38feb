# `make run` serves a demo on http://127.0.0.1:8080, `make test` checks everything CI checks.
.PHONY: run test lint types contracts unit setup setup-test clean

run: setup
	.venv/bin/streamer demo

test: setup-test lint types contracts unit

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

clean:
	rm -rf .venv build *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache
