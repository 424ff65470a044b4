.PHONY: docs-weight
docs-weight: ## the size of the binary and what it links, in docs/benchmarks.md
	make/weight.sh docs/benchmarks.md
