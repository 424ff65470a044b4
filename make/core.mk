.PHONY: bench-core
bench-core: ## one full decision for 100 brokers and 20,000 partitions, cold and warm
	go test ./controller -run '^$$' -bench Decision -benchtime 3x
