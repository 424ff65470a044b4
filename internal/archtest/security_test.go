package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// A table of attacks is worth what its tests are: every test that it names is there.
func TestTheTestsOfTheSecurityTableAreThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	if len(named) < 40 {
		t.Errorf("the table names %d tests only", len(named))
	}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	eachText(t, true, func(_ string, source []byte) error {
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			delete(named, m[1])
		}
		return nil
	})
	for name := range named {
		t.Errorf("docs/security.md names %s, which is nowhere", name)
	}
}
