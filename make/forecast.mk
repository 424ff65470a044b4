docs-forecast: ## measure the forecaster on the shared traces and write docs/forecasting.md's table
	go test ./forecast/backtest -run TestResultsTable -count=1 -results $(CURDIR)/docs/forecasting.md
.PHONY: docs-forecast

bench-forecast: ## what a forecast costs: full selection, one more sample, memory
	go test ./forecast -run '^$$' -bench . -benchtime 20x
.PHONY: bench-forecast
