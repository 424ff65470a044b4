// Command bom tells what a built program is made of: a CycloneDX document, a
// report of licences and their texts, all from what the linker wrote into the
// binary and from the modules' own files.
//
//	go run ./deploy/bom -binary bin/tidetable -version 1.0.0 -out dist
//	go run ./deploy/bom -notice NOTICE -table docs/dependencies.md
package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	binary := flag.String("binary", "", "the built program")
	version := flag.String("version", "dev", "its version")
	out := flag.String("out", "dist", "folder for the document, the report and the texts")
	notice := flag.String("notice", "", "write the list of what is linked into this file instead")
	table := flag.String("table", "", "write the table of versions into this file instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *binary, *version, *out, *notice, *table)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, version, out, notice, table string) error {
	if binary != "" {
		modules, err := linkedInto(ctx, binary)
		if err != nil {
			return err
		}
		return release(out, version, modules)
	}
	modules, err := linked(ctx, ".")
	if err != nil {
		return err
	}
	if notice != "" {
		if err := os.WriteFile(notice, []byte(noticeOf(modules)), 0o644); err != nil {
			return err
		}
	}
	if table != "" {
		return os.WriteFile(table, []byte(tableOf(modules)), 0o644)
	}
	return nil
}

// module is one that is linked.
type module struct {
	Path, Version, Sum string
	Dir                string // where its files are
	licences           []licence
	notice             string // its NOTICE file's text
}

// linkedInto reads what the linker wrote into a program.
func linkedInto(ctx context.Context, binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading what %s is built of: %w", binary, err)
	}
	var out []module
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		out = append(out, module{Path: d.Path, Version: d.Version, Sum: d.Sum})
	}
	return located(ctx, out)
}

// linked asks the go command what the program imports, as the release is built.
func linked(ctx context.Context, root string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/tidetable")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing what is linked: %w", err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(text), " ", "@"))
	slices.Sort(lines)
	var out []module
	for _, l := range slices.Compact(lines) {
		path, version, _ := strings.Cut(l, "@")
		out = append(out, module{Path: path, Version: version})
	}
	return located(ctx, out)
}

// located finds the modules' files, their licences and notices.
func located(ctx context.Context, modules []module) ([]module, error) {
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("finding the modules' files: %w", err)
	}
	dirs := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(text))); dec.More(); {
		var m struct{ Path, Dir string }
		if err := dec.Decode(&m); err != nil {
			return nil, fmt.Errorf("finding the modules' files: %w", err)
		}
		dirs[m.Path] = m.Dir
	}
	for i := range modules {
		m := &modules[i]
		m.Dir = dirs[m.Path]
		if m.licences, m.notice, err = readLicences(m.Dir); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// release writes what belongs beside a released program.
func release(out, version string, modules []module) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	doc, err := json.MarshalIndent(cycloneDX(version, modules), "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"tidetable.cdx.json": string(doc) + "\n", "licences.md": tableOf(modules), "THIRD-PARTY-LICENCES.txt": textsOf(modules),
	} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
