TRACES ?= $(or $(TIDETABLE_SHARED),../shared)/data/traces
# Traces of a demand; the rest of the folder are other people's scores.
REPLAYED = $(filter-out %/baselines.csv %/prophet.csv %/mstl_ets.csv,$(wildcard $(TRACES)/*.csv))

.PHONY: docs-simulations docs-report bench-simulations

docs-simulations: build ## the table in docs/simulation-results.md: policies on the shared traces, 2, 10 and 30 minutes of lead time
	@test -n "$(REPLAYED)" || { echo "no traces in $(TRACES); set TIDETABLE_SHARED"; exit 1; }
	$(BIN) simulate replay --lead-time 2m,10m,30m --output markdown --per-trace $(REPLAYED) > .replay.md
	@awk '/<!-- replay:begin -->/{print; while ((getline l < ".replay.md") > 0) print l; skip=1} /<!-- replay:end -->/{skip=0} !skip && !/<!-- replay:begin -->/{print}' docs/simulation-results.md > .simulations.md
	@mv .simulations.md docs/simulation-results.md && rm -f .replay.md

.PHONY: soak-oracle
soak-oracle: ## no policy costs less than the oracle without a violation, in 1,000 random worlds
	TIDETABLE_ORACLE_WORLDS=1000 go test ./simulations -run NoPolicyCostsLessThanTheOracle -count 1 -v -timeout 1h

docs-report: build ## the pictures of simulate's report in docs/img, from the demo
	mkdir -p docs/img .cache
	$(BIN) demo --report $(CURDIR)/.cache/demo.html > /dev/null
	cd test/browser && go test -count 1 -run ReportMakesPictures -report-pictures $(CURDIR)/docs/img -report $(CURDIR)/.cache/demo.html

bench-simulations: build ## the simulator's speed: a year of 50 brokers, 1,000 four-week runs
	/usr/bin/time -v $(BIN) simulate simulations/testdata/year.yaml
	/usr/bin/time -v $(BIN) simulate simulations/testdata/four-weeks.yaml
