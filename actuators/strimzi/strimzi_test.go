package strimzi

import (
	"slices"
	"testing"
)

func TestNodeIDListsAreReadAsStrimziWritesThem(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []int
		bad  bool
	}{
		{in: "", want: nil},
		{in: "[]", want: nil},
		{in: "[ ]", want: nil},
		{in: "[7]", want: []int{7}},
		{in: "[7, 10-12]", want: []int{7, 10, 11, 12}},
		{in: "[12-10]", want: []int{12, 11, 10}},
		{in: "7", bad: true},
		{in: "[a]", bad: true},
		{in: "[1-]", bad: true},
		{in: "[0-99999999]", bad: true},
	} {
		got, err := parseIDs(tt.in)
		if (err != nil) != tt.bad || !slices.Equal(got, tt.want) {
			t.Errorf("parseIDs(%q) = %v, %v", tt.in, got, err)
		}
	}
}

func TestHighestIDLeavesUnlessAnotherIsPreferred(t *testing.T) {
	if got := leaving([]int{1, 4, 7}, nil, 2); !slices.Equal(got, []int{7, 4}) {
		t.Errorf("leaving = %v", got)
	}
	if got := leaving([]int{1, 4, 7}, []int{9, 4}, 2); !slices.Equal(got, []int{4, 7}) {
		t.Errorf("leaving with a preference = %v", got)
	}
}

func FuzzNodeIDListsNeverPanic(f *testing.F) {
	f.Add("[7, 10-12]")
	f.Add("[-1--5]")
	f.Fuzz(func(t *testing.T, s string) {
		ids, err := parseIDs(s)
		if err != nil && ids != nil {
			t.Errorf("parseIDs(%q) gave both ids and an error", s)
		}
	})
}
