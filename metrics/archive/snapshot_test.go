package archive

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

const smallSnapshot = `{"version": 1, "takenAt": "2026-03-01T12:00:00Z", "clusterId": "c",
 "brokers": [
  {"id": 1, "zone": "b", "state": "alive", "capacity": {"cpuCores": 8, "networkInBytesPerSecond": 1.25e9, "networkOutBytesPerSecond": 1.25e9,
   "diskBytes": 2e12, "diskBytesPerSecond": 5e8}},
  {"id": 0, "zone": "a", "state": "alive", "capacity": {"cpuCores": 0}}],
 "somethingNewer": {"a": [1, {"b": null}]},
 "topics": [{"name": "orders", "internal": false, "config": {"min.insync.replicas": "2"}, "partitions": [
  {"partition": 1, "replicas": [1, 0], "isr": [], "leader": -1, "load": {}},
  {"partition": 0, "replicas": [0, 1], "isr": [0, 1], "leader": 0, "load": {"bytesInPerSecond": 10, "sizeBytes": 1e9}}]}],
 "groups": [{"name": "billing", "zonesOfMembers": {"a": 2}, "partitions": [{"topic": "orders", "partition": 0, "lag": 7}]}]}`

func TestReadSnapshotReadsAndSorts(t *testing.T) {
	s, err := ReadSnapshot(strings.NewReader(smallSnapshot))
	if err != nil {
		t.Fatal(err)
	}
	if s.Brokers[0].ID != 0 || s.Brokers[1].Capacity.DiskBytes != 2e12 || s.Brokers[1].Zone != "b" {
		t.Errorf("brokers %+v", s.Brokers)
	}
	p := s.Topics[0].Partitions
	if p[0].Partition != 0 || p[0].Load.SizeBytes != 1e9 || p[1].Leader != cluster.NoLeader {
		t.Errorf("partitions %+v", p)
	}
	if s.Groups[0].Partitions[0].Lag != 7 || s.Groups[0].ZonesOfMembers["a"] != 2 {
		t.Errorf("groups %+v", s.Groups)
	}
}

func TestWriteSnapshotIsReadBackTheSame(t *testing.T) {
	s, err := ReadSnapshot(strings.NewReader(smallSnapshot))
	if err != nil {
		t.Fatal(err)
	}
	s.Stale = []cluster.StaleSignal{{Signal: "group_lag", Reason: "not exported"}}
	s.Reassignments = []cluster.Reassignment{{Topic: "orders", Replicas: []int{0, 1}, Adding: []int{1}}}
	var one, two bytes.Buffer
	if err := WriteSnapshot(&one, s); err != nil {
		t.Fatal(err)
	}
	back, err := ReadSnapshot(bytes.NewReader(one.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, s) {
		t.Errorf("read back\n%+v\nwant\n%+v", back, s)
	}
	if err := WriteSnapshot(&two, back); err != nil {
		t.Fatal(err)
	}
	if one.String() != two.String() {
		t.Error("the same snapshot gave other bytes")
	}
}

func TestReadSnapshotSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct{ name, replace, with, want string }{
		{"empty", smallSnapshot, "", "the input is empty"},
		{"not an object", smallSnapshot, "[]", "the document is not a JSON object"},
		{"text", smallSnapshot, "hello", "not JSON near byte 1"},
		{"truncated", smallSnapshot, smallSnapshot[:len(smallSnapshot)/2], "the text ends in the middle"},
		{"truncated in a list", smallSnapshot, smallSnapshot[:strings.Index(smallSnapshot, "\n \"groups\"")-2], "the text ends in the middle"},
		{"something after it", smallSnapshot, smallSnapshot + "{}", "something after the document"},
		{"newer version", `"version": 1`, `"version": 2`, "version: is 2; this program reads version 1"},
		{"no time", `"takenAt": "2026-03-01T12:00:00Z",`, ``, "takenAt: is missing"},
		{"not a time", `"2026-03-01T12:00:00Z"`, `"noon"`, "takenAt: "},
		{"broker twice", `{"id": 0,`, `{"id": 1,`, "brokers[1].id: broker 1 is listed twice"},
		{"broker without id", `{"id": 0,`, `{`, "brokers[1].id: is missing or negative"},
		{"unknown state", `"alive", "capacity": {"cpuCores": 0}`, `"asleep", "capacity": {"cpuCores": 0}`,
			`brokers[1].state: is "asleep"; want alive, fenced, draining or dead`},
		{"negative capacity", `"cpuCores": 0`, `"cpuCores": -1`, "brokers[1].capacity.cpuCores: is -1; want zero or more"},
		{"unknown broker", `"replicas": [0, 1]`, `"replicas": [0, 9]`,
			"topics[0].partitions[1].replicas[1]: orders-0 is on broker 9, which is not in brokers"},
		{"duplicate replica", `"replicas": [0, 1], "isr": [0, 1]`, `"replicas": [0, 0], "isr": [0]`,
			"topics[0].partitions[1].replicas[1]: orders-0 has two replicas on broker 0"},
		{"no replica", `"replicas": [1, 0]`, `"replicas": []`, "topics[0].partitions[0].replicas: orders-1 has no replica"},
		{"in sync elsewhere", `"isr": [0, 1]`, `"isr": [0, 5]`, "topics[0].partitions[1].isr[1]: broker 5 is in sync"},
		{"leader elsewhere", `"leader": 0`, `"leader": 4`, "topics[0].partitions[1].leader: broker 4 leads orders-0"},
		{"partition twice", `{"partition": 0,`, `{"partition": 1,`, `partition 1 of topic "orders" is listed twice`},
		{"partition without number", `{"partition": 0,`, `{`, "topics[0].partitions[1].partition: is missing or negative"},
		{"negative load", `"bytesInPerSecond": 10`, `"bytesInPerSecond": -10`,
			"topics[0].partitions[1].load.bytesInPerSecond: is -10; want zero or more"},
		{"NaN", `"bytesInPerSecond": 10`, `"bytesInPerSecond": NaN`, "topics[0].partitions[1]: not JSON near byte"},
		{"too large a number", `"bytesInPerSecond": 10`, `"bytesInPerSecond": 1e999`,
			"topics[0].partitions[1].load.bytesInPerSecond: is a number 1e999; want a finite number"},
		{"text for a number", `"leader": 0`, `"leader": "0"`, "topics[0].partitions[1].leader: is a string; want a whole number"},
		{"negative lag", `"lag": 7`, `"lag": -7`, "groups[0].partitions[0].lag: is -7"},
		{"topics not a list", `"topics": [`, `"topics": {"x": [`, "topics: is not a list"},
		{"two lists of topics", `"somethingNewer": {"a": [1, {"b": null}]}`, `"topics": []`, "topics: is given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(smallSnapshot, c.replace, c.with, 1)
			if text == smallSnapshot {
				t.Fatal("the test replaces nothing")
			}
			_, err := ReadSnapshot(strings.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has more than one line: %q", err)
			}
		})
	}
}

func TestReadSnapshotReportsEveryMistakeTogether(t *testing.T) {
	text := strings.NewReplacer(`"version": 1`, `"version": 3`, `"replicas": [0, 1]`, `"replicas": [0, 9]`, `"lag": 7`,
		`"lag": -7`).Replace(smallSnapshot)
	_, err := ReadSnapshot(strings.NewReader(text))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"version: ", "replicas[1]: ", "isr[1]: ", "lag: ", "4 mistakes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestReadSnapshotBoundsOneElement(t *testing.T) {
	_, err := readSnapshot(&endless{head: `{"version":1,"topics":[{"name":"`}, limits{element: 1 << 20})
	if err == nil || !strings.Contains(err.Error(), "topics[0].name: one element is larger than the limit") {
		t.Fatalf("error %v", err)
	}
}

// A small .gz that unpacks to a cluster no machine can hold is refused while it
// is read: no more of it is taken in than a cluster can have.
func TestReadSnapshotRefusesWhatUnpacksToTooMuch(t *testing.T) {
	const head = `{"version":1,"takenAt":"2026-03-01T12:00:00Z","clusterId":"x","topics":[`
	thousand := "[0" + strings.Repeat(",0", 999) + "]"
	for name, c := range map[string]struct {
		text repeated
		want string
	}{
		"60 million replicas of one partition": {
			repeated{head: head + `{"name":"a","partitions":[{"partition":0,"replicas":[0`, again: ",0", n: 60_000_000},
			"topics[0].partitions[0]: one element is larger than the limit"},
		"60 million replicas of many partitions": {
			repeated{head: head + `{"name":"a","partitions":[{}`, again: `,{"replicas":` + thousand + `,"isr":` + thousand + `}`, n: 60_000},
			"is larger than a cluster can be"},
		"empty partitions of one topic": {
			repeated{head: head + `{"name":"a","partitions":[{}`, again: ",{}", n: 30_000_000}, "is larger than a cluster can be"},
		"a group's empty partitions": {
			repeated{head: `{"version":1,"groups":[{"partitions":[{}`, again: ",{}", n: 30_000_000}, "is larger than a cluster can be"},
		"a configuration of a million entries": {
			repeated{head: head + `{"name":"a","config":{"a":""`, again: `,"b":""`, n: 1_000_000}, "one element is larger than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := c.text
			_, err := readSnapshot(&in, limits{element: 1 << 20, partitions: 20_000, replicas: 1_000_000, followed: 20_000, configs: 20_000})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if in.n == 0 {
				t.Error("all of it was read before it was refused")
			}
		})
	}
}

// repeated is a head followed by something n times.
type repeated struct {
	head, again string
	n           int
	left        string
}

func (r *repeated) Read(p []byte) (int, error) {
	done := copy(p, r.head)
	r.head = r.head[done:]
	for done < len(p) && (r.left != "" || r.n > 0) {
		if r.left == "" {
			r.left, r.n = r.again, r.n-1
		}
		k := copy(p[done:], r.left)
		r.left, done = r.left[k:], done+k
	}
	if done == 0 {
		return 0, io.EOF
	}
	return done, nil
}

// endless is a head followed by one letter for ever.
type endless struct{ head string }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'a'
	}
	return len(p), nil
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add(smallSnapshot)
	f.Add(`{"version":1,"brokers":null,"topics":[{}],"groups":[{"partitions":[{}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSnapshot(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := WriteSnapshot(&out, s); err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if _, err := ReadSnapshot(&out); err != nil {
			t.Fatalf("written but not read: %v", err)
		}
	})
}

func BenchmarkReadSnapshot(b *testing.B) {
	for _, size := range []struct{ brokers, partitions int }{{100, 33_000}, {1000, 200_000}} {
		var text bytes.Buffer
		if err := WriteSnapshot(&text, generated(size.brokers, size.partitions)); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("brokers=%d/partitions=%d", size.brokers, size.partitions), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadSnapshot(bytes.NewReader(text.Bytes())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func generated(brokers, partitions int) cluster.Snapshot {
	r := rand.New(rand.NewPCG(1, 2))
	s := cluster.Snapshot{Version: 1, TakenAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), ClusterID: "generated"}
	for i := range brokers {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: i, Zone: string(rune('a' + i%3)), State: cluster.BrokerAlive})
	}
	for done := 0; done < partitions; {
		t := cluster.Topic{Name: fmt.Sprintf("t%06d", done), Config: map[string]string{"min.insync.replicas": "2"}}
		for k := range min(1+r.IntN(48), partitions-done) {
			first := r.IntN(brokers)
			replicas := []int{first, (first + 1) % brokers, (first + 2) % brokers}
			t.Partitions = append(t.Partitions, cluster.Partition{Partition: k, Replicas: replicas, ISR: replicas, Leader: first,
				Load: cluster.Load{BytesInPerSecond: cluster.BytesPerSecond(r.IntN(1e7)), BytesOutPerSecond: cluster.BytesPerSecond(r.IntN(1e7)),
					MessagesInPerSecond: 12.5, LeaderCPUCores: 0.0123456, FollowerCPUCores: 0.0034567, SizeBytes: cluster.Bytes(r.IntN(1e11))}})
		}
		done += len(t.Partitions)
		s.Topics = append(s.Topics, t)
	}
	return s
}
