.PHONY: crd
crd: ## the CustomResourceDefinition, from package policy's types
	go run ./deploy/crdgen > deploy/kustomize/base/crd.yaml.new
	mv deploy/kustomize/base/crd.yaml.new deploy/kustomize/base/crd.yaml
