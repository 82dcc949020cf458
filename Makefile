# Every target installs what it misses and says so. What takes long to make
# (control plane, test servers) is kept in the user's cache, over all checkouts.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

CARGO_FLAGS := --locked --features failpoints
# Tests mostly wait (for a lease, a watch, a server to start): two a core keep the cores busy.
TEST_THREADS ?= $(shell echo $$(( 2 * $$(nproc) )))
# What cargo test is to run: `make test TESTS="--test harness"`.
TESTS ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
CACHE := $(or $(TENURE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tenure)
SAY := @printf '\n== %s\n'

.PHONY: help demo test bench lint fmt-check clippy deny generate clean-cache
.PHONY: prerequisites control-plane test-servers compile-tests compile-demo compile-bench

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: prerequisites ## Show Tenure at work on a real control plane (KEEP=1 leaves it running)
	@$(MAKE) -j2 control-plane compile-demo
	$(SAY) "the demo"
	@export TENURE_CONTROL_PLANE="$$(tools/control-plane/build.sh)"; \
	KEEP="$(KEEP)" TENURE_BIN="$(abspath $(TARGET_DIR))/debug/tenure" tools/demo/run.sh

test: prerequisites ## Run all tests, against a real control plane and real servers
	@$(MAKE) -j3 control-plane test-servers compile-tests
	$(SAY) "the tests, $(TEST_THREADS) at a time"
	@export TENURE_CONTROL_PLANE="$$(tools/control-plane/build.sh)"; \
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test $(CARGO_FLAGS) --no-fail-fast $(TESTS)

bench: prerequisites ## Measure the operator at scale (release build; BENCH_ARGS are passed on)
	@$(MAKE) -j3 control-plane test-servers compile-bench
	$(SAY) "the benchmark"
	@export TENURE_CONTROL_PLANE="$$(tools/control-plane/build.sh)"; \
	cargo bench --locked --bench operator -- $(BENCH_ARGS)

lint: fmt-check clippy deny ## Check format, lints, licences and where crates come from

fmt-check: prerequisites
	$(SAY) "format"
	@cargo fmt --check

clippy: prerequisites
	$(SAY) "lints"
	@cargo clippy --all-targets $(CARGO_FLAGS) -- -D warnings

# Not the advisories: they need a database from a site that is not a package registry.
deny: prerequisites
	$(SAY) "licences, bans, sources"
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: installing it (minutes, once)…"; cargo install --locked cargo-deny; }
	@cargo deny --locked --offline --all-features check bans licenses sources

generate: prerequisites ## Write the CRDs anew from the types
	$(SAY) "CRDs into crds/"
	@cargo run --quiet --locked -- crds --output crds
	@cargo run --quiet --locked -- reasons > docs/reasons.md

clean-cache: ## Remove the control plane and test servers from the cache
	$(SAY) "removing $(CACHE)"
	@rm -rf -- "$(CACHE)"

prerequisites:
	@tools/prerequisites.sh

control-plane: prerequisites
	@tools/control-plane/build.sh >/dev/null

test-servers: prerequisites
	@for install in tools/test-servers/*/install.sh; do "$$install" >/dev/null; done

compile-tests: prerequisites
	$(SAY) "compiling the tests"
	@cargo test $(CARGO_FLAGS) --no-run $(TESTS)

compile-demo: prerequisites
	$(SAY) "compiling the operator"
	@cargo build --locked

compile-bench: prerequisites
	$(SAY) "compiling the benchmark (release)"
	@cargo bench --locked --bench operator --no-run
