package cluster

import "testing"

func TestTheNextReplicaGoesWhereThereAreFewest(t *testing.T) {
	two := []Directory{{Path: "/a", Bytes: 1000, Free: 900, Replicas: 5}, {Path: "/b", Bytes: 1000, Free: 100, Replicas: 3}}
	tests := map[string]struct {
		dirs    []Directory
		want    string
		offline string
	}{
		"the fewest, whatever the room": {two, "/b", ""},
		"of equals the one with least room": {[]Directory{{Path: "/a", Bytes: 9, Free: 2, Replicas: 1},
			{Path: "/b", Bytes: 9, Free: 1, Replicas: 1}}, "/b", ""},
		"none that is offline or cordoned": {append([]Directory{{Path: "/c", Bytes: 9, Offline: true}, {Path: "/d", Bytes: 9, Cordoned: true}},
			two...), "/b", "/c"},
		"a single directory is the broker's disk": {two[:1], "", ""},
		"nothing is told":                         {nil, "", ""},
	}
	for name, tc := range tests {
		b := Broker{Directories: tc.dirs}
		d, ok := b.NextDirectory()
		if ok != (tc.want != "") || ok && d.Path != tc.want || b.OfflineDirectory() != tc.offline {
			t.Errorf("%s: %+v (%v), offline %q", name, d, ok, b.OfflineDirectory())
		}
	}
}
