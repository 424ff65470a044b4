docs-forecast: ## measure the forecaster on the shared traces and write docs/forecasting.md's table
	go test ./forecast/backtest -run TestResultsTable -count=1 -results $(CURDIR)/docs/forecasting.md
.PHONY: docs-forecast

docs-forecast-stress: ## what bad days do to the forecasts of the shared traces, into docs/forecasting.md
	go test ./forecast/backtest -run TestStressTable -count=1 -stress $(CURDIR)/docs/forecasting.md
.PHONY: docs-forecast-stress

docs-forecast-constants: ## what smaller and larger constants would give, into docs/formulas.md
	go test ./forecast/backtest -run TestConstantsTable -count=1 -v -timeout 2h -constants $(CURDIR)/docs/formulas.md
.PHONY: docs-forecast-constants

bench-forecast: ## what a forecast costs: full selection, one more sample, memory
	go test ./forecast -run '^$$' -bench . -benchtime 20x
.PHONY: bench-forecast
