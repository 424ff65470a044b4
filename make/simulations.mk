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

# What constants are chosen on, and what docs/economics.md reports: never the same.
CHOSEN_ON = $(addprefix $(TRACES)/,$(addsuffix .csv,crane_0 crane_4 crane_8 crane_10 dsp_wiki_de bike_sharing nab_twitter_volume_aapl))
REPORTED = $(filter-out $(CHOSEN_ON),$(REPLAYED))

RETENTIONS ?= 6h,24h,72h
CROSS_ZONE ?= 0.01,0.02

.PHONY: docs-economics economics
docs-economics: build ## the table in docs/economics.md: what brokers cost under every policy, on traces that no constant was chosen on (RETENTIONS=24h CROSS_ZONE=0.01 for a sixth of it)
	$(BIN) simulate economics --retention $(RETENTIONS) --cross-zone $(CROSS_ZONE) --output markdown --per-trace $(REPORTED) > .economics.new
	@awk '/<!-- economics:begin -->/{print; while ((getline l < ".economics.new") > 0) print l; skip=1} /<!-- economics:end -->/{skip=0} !skip && !/<!-- economics:begin -->/{print}' docs/economics.md > .economics.md
	@mv .economics.md docs/economics.md && rm -f .economics.new

economics: build ## the same for a few of the traces that constants are chosen on; minutes (TRACE=name and RETENTION=24h for an inner loop)
	$(BIN) simulate economics --retention $(or $(RETENTION),24h) --policies static,tidetable --per-trace \
	  $(if $(TRACE),$(TRACES)/$(TRACE).csv,$(addprefix $(TRACES)/,$(addsuffix .csv,crane_8 dsp_wiki_de bike_sharing crane_4)))
