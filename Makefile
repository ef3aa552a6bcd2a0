# Two commands do everything: `make demo` shows what Helix does, `make test` proves that it works.
# Both install what they need on Debian and Ubuntu, and say what they do.

SHELL := /bin/bash
CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench deps fuzz model test-model clean

help: ## say what each command does
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: deps ## serve a model from several worker processes, chat with it, show pipelines and speed; then plan a large one
	@CARGO="$(CARGO)" scripts/demo.sh

test: deps ## build and run every test
	$(CARGO) test --workspace

lint: deps ## formatting, clippy, documentation and the rules of this repository; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) xtask tidy

bench: deps ## measure against named peers on this machine
	$(CARGO) bench --workspace
	$(CARGO) bench -p helix-engine --features candle

fuzz: deps ## run every fuzz target for a minute (SECONDS_EACH=60)
	fuzz/run-all.sh $(or $(SECONDS_EACH),60)

model: deps ## train the built-in model anew (half an hour of one thread; stopped, it goes on when called again)
	cd training && RUSTFLAGS="-C target-cpu=native" RAYON_NUM_THREADS=1 $(CARGO) run --release --features avx512 -- train

test-model: deps ## run the tests of the trainer and measure the built-in model on every sum it never saw
	cd training && $(CARGO) test --release
	cd training && $(CARGO) run --release -- evaluate
	$(CARGO) test --release --package helix-engine --test builtin_model -- --include-ignored --nocapture

deps: ## check the Rust toolchain, install what Debian and Ubuntu lack, say what to install elsewhere
	@scripts/deps.sh

clean: ## remove what was built
	$(CARGO) clean
