package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licence is one file of a module that says under what it may be used.
type licence struct {
	id, text string // id as SPDX has it
}

// known tells licences by words that only they have. The first that fits counts.
var known = []struct {
	id    string
	words []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "names of its contributors may be used"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software"}},
	{"ISC", []string{"Permission to use, copy, modify, and distribute this software"}},
	{"MIT", []string{"Permission is hereby granted, free of charge"}},
	{"CC0-1.0", []string{"CC0 1.0 Universal"}},
	{"Unlicense", []string{"This is free and unencumbered software"}},
}

// allowed are the licences that tidetable may link.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([-.].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^notice([-.].*)?$`)
	spaces      = regexp.MustCompile(`\s+`)
	copyright   = regexp.MustCompile(`(?im)^\W*(copyright (\(c\)|©|[0-9]{4}).*)$`)
)

// readLicences reads the files in a module's folder that say how it may be used.
func readLicences(dir string) (out []licence, notice string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		isNotice := noticeFile.MatchString(e.Name())
		if e.IsDir() || strings.HasSuffix(e.Name(), ".go") || !isNotice && !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, "", err
		}
		if isNotice {
			notice += strings.TrimSpace(string(text)) + "\n"
			continue
		}
		id := identify(string(text))
		if id == "" {
			return nil, "", fmt.Errorf("its %s is none that is known here", e.Name())
		}
		out = append(out, licence{id, strings.TrimSpace(string(text)) + "\n"})
	}
	if len(out) == 0 {
		return nil, "", errors.New("it has no licence")
	}
	return out, notice, nil
}

func identify(text string) string {
	plain := spaces.ReplaceAllString(text, " ")
	for _, k := range known {
		if !slices.ContainsFunc(k.words, func(w string) bool { return !strings.Contains(plain, w) }) {
			return k.id
		}
	}
	return ""
}

// ids names a module's licences, sorted.
func (m module) ids() []string {
	var ids []string
	for _, l := range m.licences {
		ids = append(ids, l.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// holders are the lines that say whose a module is.
func (m module) holders() []string {
	var out []string
	for _, l := range m.licences {
		for _, found := range copyright.FindAllStringSubmatch(l.text, -1) {
			line := strings.Join(strings.Fields(found[1]), " ")
			if !strings.Contains(line, "[yyyy]") && !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}
