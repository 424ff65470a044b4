.PHONY: bench-metrics docs-metrics docs-exporters soak-stores fuzz-metrics
bench-metrics: ## the figures of docs/benchmarks.md on reading: traces, snapshots, 28 days of 2,000 series
	go test ./metrics/archive -run '^$$' -bench . -benchtime 5x
	go test ./metrics/prometheus -run '^$$' -bench History -benchtime 3x -timeout 30m

docs-metrics: ## the table of signals in docs/formats/catalogue.md
	go test ./metrics/catalogue -run TheDocumentListsEverySignal -update

fuzz-metrics: ## fuzz every reader for a minute each
	go test ./metrics/archive -run '^$$' -fuzz FuzzReadTrace -fuzztime 60s
	go test ./metrics/archive -run '^$$' -fuzz FuzzReadSnapshot -fuzztime 60s
	go test ./metrics/catalogue -run '^$$' -fuzz FuzzRead -fuzztime 60s
	go test ./metrics/prometheus -run '^$$' -fuzz FuzzPartialOf -fuzztime 60s
	go test ./metrics/source -run '^$$' -fuzz FuzzExamine -fuzztime 60s

docs-exporters: ## the table in docs/exporters.md: what is read of which exporter
	go test ./metrics/observe -run TestEverySetUpIsRightOrSaysWhyNot -count=1 -update

soak-stores: ## hold a real VictoriaMetrics to the table of docs/exporters.md
	cd test/stores && go build -o $(CURDIR)/bin/victoria-metrics github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics
	go test ./metrics/observe -run TestEverySetUpIsRightOrSaysWhyNot -count=1 -store $(CURDIR)/bin/victoria-metrics
