# Measurements of the rebalance planner. SHARED is the folder with the cluster
# generator and the independent verifier of plans.
SHARED ?= ../shared

.PHONY: docs-rebalance rebalance-truth

docs-rebalance: build ## plan D1 to D8, judge the plans, and write the table of docs/rebalancing.md
	python3 make/rebalance_table.py $(SHARED) $(BIN) docs/rebalancing.md $(CASES)

rebalance-truth: ## compare 1,000 plans of small clusters with the enumerated optimum
	TIDETABLE_TRUTH_CLUSTERS=1000 go test -count=1 -v -run TestPlansOfSmallClustersAreWithinTwoPercentOfTheOptimum ./rebalance

.PHONY: rebalance-tuning
rebalance-tuning: ## halve and double each constant of the search, and write the table of docs/rebalancing.md
	TIDETABLE_TUNING=$(CURDIR)/docs/rebalancing.md go test -count=1 -timeout 1h -v -run TestNoConstantHalvedOrDoubled ./rebalance
