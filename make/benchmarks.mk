BENCHMARKS := .cache/benchmarks.txt

.PHONY: docs-benchmarks
docs-benchmarks: ## the table in docs/benchmarks.md: reading, aligning, deciding
	mkdir -p .cache
	go test ./controller -run '^$$' -bench Decision -benchtime 3x -benchmem > $(BENCHMARKS)
	go test ./metrics/archive -run '^$$' -bench . -benchtime 3x -benchmem >> $(BENCHMARKS)
	go test ./metrics/prometheus -run '^$$' -bench History -benchtime 1x -benchmem -timeout 20m >> $(BENCHMARKS)
	make/benchmarks.sh $(BENCHMARKS) docs/benchmarks.md
