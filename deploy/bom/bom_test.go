package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// NOTICE and the list of versions are what is linked, all of it and nothing else.
func TestTheNoticeIsWhatIsLinked(t *testing.T) {
	modules, err := linked(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"NOTICE": noticeOf(modules), "docs/dependencies.md": tableOf(modules)} {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is not what is linked (%v): run make notice", name, err)
		}
	}
	for _, m := range modules {
		// Of two licences one that is allowed is enough: they are offered to choose from.
		if !slices.ContainsFunc(m.ids(), func(id string) bool { return slices.Contains(allowed, id) }) {
			t.Errorf("%s is under %v, which may not be linked", m.Path, m.ids())
		}
	}
	if len(modules) < 20 {
		t.Errorf("only %d modules are linked", len(modules))
	}
}

func TestTheDocumentNamesEveryModule(t *testing.T) {
	modules, err := linked(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := release(out, "1.2.3", modules); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "tidetable.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc bom
	if err := json.Unmarshal(text, &doc); err != nil || doc.Format != "CycloneDX" || doc.Metadata.Component.Version != "1.2.3" {
		t.Fatalf("%+v, %v", doc.Metadata, err)
	}
	if len(doc.Components) != len(modules)+1 || len(doc.Dependencies[0].DependsOn) != len(doc.Components) {
		t.Errorf("%d components and %d dependencies for %d modules and what is embedded",
			len(doc.Components), len(doc.Dependencies[0].DependsOn), len(modules))
	}
	texts, err := os.ReadFile(filepath.Join(out, "THIRD-PARTY-LICENCES.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if !strings.Contains(string(texts), "\n"+m.Path+" "+m.Version+"\n") {
			t.Errorf("the texts lack %s", m.Path)
		}
	}
	assets, err := os.ReadFile(filepath.Join(root, "internal/report/assets/echarts.min.js"))
	if err != nil || !strings.Contains(string(assets), `"`+echarts.Version+`"`) {
		t.Errorf("what is embedded is not of version %s (%v)", echarts.Version, err)
	}
}

func TestLicencesAreToldApart(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n Version 2.0, January 2004":                                                           "Apache-2.0",
		"Permission is hereby granted, free of\ncharge":                                                        "MIT",
		"Redistribution and use in source and binary forms":                                                    "BSD-2-Clause",
		"Redistribution and use in source and binary forms … Neither the name of":                              "BSD-3-Clause",
		"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee": "ISC",
		"All rights reserved": "",
	} {
		if got := identify(text); got != want {
			t.Errorf("%.40q is %q, want %q", text, got, want)
		}
	}
}

// A tag may lead elsewhere tomorrow.
func TestImagesAreNamedByDigestOrRelease(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
	for _, f := range from {
		if !regexp.MustCompile(`@sha256:[0-9a-f]{64}$`).MatchString(f[1]) {
			t.Errorf("the Dockerfile builds from %s", f[1])
		}
	}
	if len(from) < 2 {
		t.Errorf("%d images in the Dockerfile", len(from))
	}
	latest := regexp.MustCompile(`(?i)(:latest\b|tag: *latest|appVersion: *"?latest)`)
	err = filepath.WalkDir(filepath.Join(root, "deploy"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if at := latest.Find(text); at != nil {
			t.Errorf("%s names %s", path, at)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
