# Every number in docs/ comes from a target here or in make/*.mk; `make help` lists them.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export GOFLAGS ?= -buildvcs=false

BIN := bin/tidetable

.PHONY: help build demo test test-unit test-deps bench fuzz lint vuln docs clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-22s %s\n", $$1, $$2}'

build: ## build bin/tidetable
	go build -o $(BIN) ./cmd/tidetable

demo: ## three seeded days through the production loop; needs nothing but Go
	go run ./cmd/tidetable demo

test: test-deps test-unit e2e ## install or name what the tests need, then run all of them

test-deps: testbed-deps ## what the testbed and the browser tests need (Debian packages, Maven artifacts)

test-unit: ## gofmt, vet and the unit and in-process tests, with the race detector
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet ./...
	go test -race -timeout 30m ./...
	@echo "the planner's tests once more: the race detector slows its search so much that they take fewer inputs there"
	go test ./rebalance

bench: ## the benchmarks, ten runs each, ready for benchstat (writes bench.out)
	go test -run '^$$' -bench . -benchmem -count 10 ./... | tee bench.out

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME
	@go list ./... | while read -r p; do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; done; done

# Tools are pinned in a module of their own, so that they never weigh on ours.
bin/%: tools/go.mod
	GOBIN=$(CURDIR)/bin go -C tools install $$(cd tools && go list -f '{{.ImportPath}}' tool | grep '/$*$$')

lint: bin/golangci-lint ## golangci-lint at the version pinned in tools/go.mod
	bin/golangci-lint run ./...

vuln: bin/govulncheck ## known vulnerabilities in what we import (needs vuln.go.dev)
	@bin/govulncheck ./... || { code=$$?; [ $$code -eq 3 ] || \
	  echo "vuln: the database could not be asked; the versions to look up by hand are in docs/dependencies.md"; exit $$code; }

docs: ## remake every table and picture in docs/
	@for t in $$(grep -hoE '^docs-[a-z0-9-]+' $(MAKEFILE_LIST) | sort -u); do $(MAKE) --no-print-directory $$t; done

clean: ## remove what was built
	rm -rf bin dist bench.out

include $(sort $(wildcard make/*.mk))
