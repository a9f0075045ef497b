# make          build everything in release          make test    set up, build and run all tests
# make soak     reliability tests at full length
# make demo     set up, build, answer the demo       make lint    check the format
# make bench    build and run the benchmarks         make clean   remove what was built and fetched
#
# `make demo` and `make test` install what a fresh Debian 12 or Ubuntu 24.04 lacks (.ci/setup.sh).

SWIFT ?= swift
BIN := .build/release
DEMO_QUEUE ?= demo.db

.PHONY: build demo test soak lint bench clean setup

build: setup
	$(SWIFT) build -c release

setup:
	@.ci/setup.sh

demo: setup
	$(SWIFT) build -c release --product zipvl-batch
	jobs/demo/fetch_real_videos.sh
	ZIPVL_QUEUE=$(DEMO_QUEUE) $(BIN)/zipvl-batch demo

test: setup
	Tests/Fixtures/fetch_qwen_vocabulary.sh
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

soak: setup
	$(SWIFT) build --build-tests
	ZIPVL_SOAK=1 .ci/with-postgres.sh $(SWIFT) test --skip-build --no-parallel --filter 'ReliabilityTests|ModelTests'

lint:
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests schema

bench: setup
	$(SWIFT) build -c release --product zipvl-bench
	$(SWIFT) build -c release --product zipvl-bench-io
	$(BIN)/zipvl-bench video
	$(BIN)/zipvl-bench-io sample jobs/demo/videos/generated_6.mp4

clean:
	rm -rf .build .torch .cache jobs/demo/videos/real $(DEMO_QUEUE) $(DEMO_QUEUE)-wal $(DEMO_QUEUE)-shm
