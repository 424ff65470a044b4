// Command monitoring writes the alert rules and the Grafana dashboards from
// one Go source, so that a metric that is renamed breaks a test and not a
// screen at 3 a.m.
//
//	go run ./deploy/monitoring -out deploy
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "deploy", "the deploy folder")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

func write(out string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

// generate returns every file by its path below deploy/.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{}
	plain, object, err := ruleFiles()
	if err != nil {
		return nil, err
	}
	files["rules/tidetable.rules.yaml"] = plain
	files["kustomize/components/monitoring/prometheusrule.yaml"] = object
	for _, d := range dashboards() {
		b, err := d.json()
		if err != nil {
			return nil, err
		}
		files["dashboards/"+d.file] = b
	}
	return files, nil
}
