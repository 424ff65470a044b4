// Command crdgen writes the CustomResourceDefinition of KafkaCapacityPolicy
// from the policy package's Go types and their comments, so that the custom
// resource and the file are one document. A test holds the committed file
// against it.
//
//	go run ./deploy/crdgen > deploy/kustomize/base/crd.yaml
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	out, err := generate("policy")
	if err != nil {
		fmt.Fprintln(os.Stderr, "crdgen:", err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(out); err != nil {
		fmt.Fprintln(os.Stderr, "crdgen:", err)
		os.Exit(1)
	}
}

// generate renders the definition; dir is where the policy package's source is.
func generate(dir string) ([]byte, error) {
	comments, err := readComments(dir)
	if err != nil {
		return nil, err
	}
	crd := definition(comments)
	raw, err := yaml.Marshal(crd)
	if err != nil {
		return nil, fmt.Errorf("encoding the definition: %w", err)
	}
	header := "# Made by deploy/crdgen from package policy; `make crd` makes it anew.\n"
	return append([]byte(header), raw...), nil
}
