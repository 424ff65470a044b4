package policy

import (
	"reflect"
	"strconv"
	"strings"
)

// NamedFile is a file that a policy names, and the field that does.
type NamedFile struct{ Field, Path string }

// Files lists every file that the policy asks to be read, in the order of its
// fields: certificates, keys, tokens, secrets, and a catalogue of the user's own.
// Whoever writes a policy names them; whoever runs the process says whether
// they are read. The journal is written, and not among them.
func (s Spec) Files() []NamedFile {
	var out []NamedFile
	walkFiles(reflect.ValueOf(s), "spec", &out)
	if c := s.Prometheus.Catalogue; strings.ContainsAny(c, "/.") {
		out = append(out, NamedFile{"spec.prometheus.catalogue", c})
	}
	return out
}

func walkFiles(v reflect.Value, at string, out *[]NamedFile) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walkFiles(v.Elem(), at, out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkFiles(v.Index(i), at+"["+strconv.Itoa(i)+"]", out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || !f.IsExported() {
				continue
			}
			if f.Type.Kind() == reflect.String && (name == "file" || strings.HasSuffix(name, "File")) {
				if path := v.Field(i).String(); path != "" {
					*out = append(*out, NamedFile{at + "." + name, path})
				}
				continue
			}
			walkFiles(v.Field(i), at+"."+name, out)
		}
	}
}
