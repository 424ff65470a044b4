.PHONY: testbed-deps e2e soak

testbed-deps:
	@true

e2e: ## the tests on real parts
	@echo "left out: the testbed is not built yet"

soak: ## everything, including the long runs
	@echo "left out: the testbed is not built yet"
