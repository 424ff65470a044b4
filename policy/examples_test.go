package policy

import (
	"path/filepath"
	"testing"
)

func TestEveryExampleIsAValidPolicy(t *testing.T) {
	files, err := filepath.Glob("../deploy/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found (%v)", err)
	}
	for _, f := range files {
		if _, err := Load(f, nil); err != nil {
			t.Error(err)
		}
	}
}
