package adminclient

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/tidetable/tidetable/rebalance/execute"
)

func TestDirectoriesAreToldApart(t *testing.T) {
	dir := func(total, usable int64, replicas int) kadm.DescribedLogDir {
		topics := kadm.DescribedLogDirTopics{"t": {}}
		for p := range int32(replicas) {
			topics["t"][p] = kadm.DescribedLogDirPartition{Topic: "t", Partition: p, Size: 10}
		}
		return kadm.DescribedLogDir{TotalBytes: total, UsableBytes: usable, Topics: topics}
	}
	cordoned := dir(500, 400, 1)
	cordoned.IsCordoned = true
	s := brokerSizes(kadm.DescribedLogDirs{"/a": dir(100, 40, 3), "/b": dir(200, 90, 2), "/c": dir(200, 90, 5), "/d": cordoned})
	want := []execute.Dir{{Path: "/a", Replicas: 3, Usable: 40, Volume: 0}, {Path: "/b", Replicas: 2, Usable: 90, Volume: 1},
		{Path: "/c", Replicas: 5, Usable: 90, Volume: 1}}
	if !slices.Equal(s.Dirs, want) || s.Usable != 130 || s.Total != 300 {
		t.Errorf("%+v, %v of %v usable; a volume that two directories share counts once", s.Dirs, s.Usable, s.Total)
	}
	if s := brokerSizes(kadm.DescribedLogDirs{"/a": dir(100, 40, 3)}); s.Dirs != nil || s.Usable != 40 {
		t.Errorf("one directory: %+v", s)
	}
	if s := brokerSizes(kadm.DescribedLogDirs{"/a": dir(100, 40, 3), "/b": dir(-1, -1, 3)}); s.Dirs != nil || s.Usable != -1 {
		t.Errorf("one that does not say: %+v", s)
	}
	gone := kadm.DescribedLogDirs{"/a": dir(100, 40, 3), "/b": {Err: kerr.KafkaStorageError}}
	if got := offline(gone); !slices.Equal(got, []string{"/b"}) {
		t.Errorf("offline are %v", got)
	}
}
