package main

import (
	"bytes"
	"os"
	"testing"
)

func TestCommittedDefinitionIsWhatTheTypesSay(t *testing.T) {
	want, err := generate("../../policy")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../kustomize/base/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("deploy/kustomize/base/crd.yaml is not what package policy says; run make crd")
	}
}
