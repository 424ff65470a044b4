package main

import "strings"

// bom is the part of CycloneDX 1.6 that is used here.
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string        `json:"type"`
	Ref      string        `json:"bom-ref"`
	Name     string        `json:"name"`
	Version  string        `json:"version"`
	PURL     string        `json:"purl,omitempty"`
	Licences []licenceWrap `json:"licenses,omitempty"`
}

type licenceWrap struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// echarts is embedded, not linked, so that no linker knows of it.
var echarts = component{
	Type: "library", Ref: "pkg:npm/echarts@6.1.0", Name: "echarts", Version: "6.1.0", PURL: "pkg:npm/echarts@6.1.0",
	Licences: licencesOf([]string{"Apache-2.0"}),
}

// cycloneDX has no date and no random number: the same program gives the same
// document.
func cycloneDX(version string, modules []module) bom {
	const root = "pkg:golang/github.com/tidetable/tidetable"
	d := bom{Format: "CycloneDX", Spec: "1.6", Version: 1}
	d.Metadata.Component = component{
		Type: "application", Ref: root + "@" + version, Name: "tidetable", Version: version, PURL: root + "@" + version,
		Licences: licencesOf([]string{"Apache-2.0"}),
	}
	all := dependency{Ref: d.Metadata.Component.Ref, DependsOn: []string{}}
	for _, m := range modules {
		purl := "pkg:golang/" + strings.ToLower(m.Path) + "@" + m.Version
		d.Components = append(d.Components, component{
			Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl, Licences: licencesOf(m.ids()),
		})
		all.DependsOn = append(all.DependsOn, purl)
	}
	d.Components = append(d.Components, echarts)
	all.DependsOn = append(all.DependsOn, echarts.Ref)
	d.Dependencies = []dependency{all}
	return d
}

func licencesOf(ids []string) []licenceWrap {
	var out []licenceWrap
	for _, id := range ids {
		var l licenceWrap
		l.Licence.ID = id
		out = append(out, l)
	}
	return out
}
