package decision

import (
	"reflect"

	"github.com/tidetable/tidetable/internal/plain"
)

// Plain makes every text of a decision fit to be shown, whoever named or answered
// it: short, on one line, and without anything that steers a terminal. What the
// decision shares with others stays as it is for them.
func (d *Decision) Plain() {
	if clean, changed := plained(reflect.ValueOf(*d)); changed {
		*d = clean.Interface().(Decision) //nolint:forcetypeassert // of the type that was given
	}
}

// plained is v with every text in it made plain; a copy where one was not.
func plained(v reflect.Value) (clean reflect.Value, changed bool) {
	switch v.Kind() {
	case reflect.String:
		if s := plain.Text(v.String()); s != v.String() {
			clean = reflect.New(v.Type()).Elem()
			clean.SetString(s)
			return clean, true
		}
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		if to, changed := plained(v.Elem()); changed {
			clean = reflect.New(v.Type().Elem())
			clean.Elem().Set(to)
			return clean, true
		}
	case reflect.Slice:
		return plainedParts(v, v.Len(), reflect.Value.Index, func() reflect.Value {
			clean := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(clean, v)
			return clean
		})
	case reflect.Struct:
		return plainedParts(v, v.NumField(), reflect.Value.Field, func() reflect.Value {
			clean := reflect.New(v.Type()).Elem()
			clean.Set(v)
			return clean
		})
	default: // numbers say what they say; maps hold none but by our own words
	}
	return v, false
}

func plainedParts(v reflect.Value, n int, part func(reflect.Value, int) reflect.Value, clone func() reflect.Value) (reflect.Value, bool) {
	clean, changed := v, false
	for i := range n {
		if v.Kind() == reflect.Struct && !v.Type().Field(i).IsExported() {
			continue
		}
		p, other := plained(part(v, i))
		if !other {
			continue
		}
		if !changed {
			clean, changed = clone(), true
		}
		part(clean, i).Set(p)
	}
	return clean, changed
}
