# The loop and the mover under faults. FAULT_RUNS=n for another number of runs.
FAULT_RUNS ?= 10000

.PHONY: soak-faults
soak-faults: ## 10,000 seeded runs of the loop and the mover under faults, judged by the world; writes docs/fault-results.md
	go test ./simulations/faults -count=1 -timeout 3h -runs $(FAULT_RUNS) -results $(CURDIR)/docs/fault-results.md
