package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(2, "orders"), kfake.ClusterID("claims")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newReader(t *testing.T, cfg Config) *Reader {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute // a busy machine is not what is tested
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func place(t *testing.T, r *Reader) cluster.Snapshot {
	t.Helper()
	s, err := r.Placement(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatalf("not a valid snapshot: %v", err)
	}
	return s
}

func stale(s cluster.Snapshot, signal cluster.Signal) string {
	for _, x := range s.Stale {
		if x.Signal == signal {
			return x.Reason
		}
	}
	return ""
}

func produce(t *testing.T, c *kfake.Cluster, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range n {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: 1, Value: make([]byte, 1000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, c *kfake.Cluster, at int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var o kadm.Offsets
	o.AddOffset("orders", 1, at, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", o); err != nil {
		t.Fatal(err)
	}
}

func TestPlacementSizesConfigsAndLag(t *testing.T) {
	c := fake(t)
	produce(t, c, 10)
	commit(t, c, 4)
	s := place(t, newReader(t, Config{Bootstrap: c.ListenAddrs()}))
	if s.ClusterID != "claims" || len(s.Brokers) != 3 || s.Brokers[0].Zone == "" || s.Brokers[0].State != cluster.BrokerAlive {
		t.Errorf("brokers %+v of %s", s.Brokers, s.ClusterID)
	}
	if len(s.Topics) != 1 || s.Topics[0].ID == "" || len(s.Topics[0].Partitions) != 2 {
		t.Fatalf("topics %+v", s.Topics)
	}
	p := s.Topics[0].Partitions
	if p[0].Load.SizeBytes != 0 || p[1].Load.SizeBytes < 1000 || len(p[1].Replicas) == 0 || p[1].Leader < 0 {
		t.Errorf("partitions %+v", p)
	}
	if s.Topics[0].Config["cleanup.policy"] != "delete" || s.Topics[0].Config["retention.ms"] == "" {
		t.Errorf("config %v", s.Topics[0].Config)
	}
	if len(s.Groups) != 1 || s.Groups[0].Name != "billing" || len(s.Groups[0].Partitions) != 1 || s.Groups[0].Partitions[0].Lag != 6 {
		t.Errorf("groups %+v", s.Groups)
	}
	if stale(s, "topic_messages_in") == "" {
		t.Error("the first reading knows no rate, and does not say so")
	}
}

func TestRatesComeFromTwoReadings(t *testing.T) {
	c := fake(t)
	now := noon
	r := newReader(t, Config{Bootstrap: c.ListenAddrs(), Now: func() time.Time { return now }})
	produce(t, c, 4)
	commit(t, c, 0)
	place(t, r)
	produce(t, c, 20)
	commit(t, c, 12)
	now = now.Add(10 * time.Second)
	s := place(t, r)
	if got := s.Topics[0].Partitions[1].Load.MessagesInPerSecond; got != 2 {
		t.Errorf("%v records/s written, want 2", got)
	}
	if got := s.Groups[0].Partitions[0].ConsumedPerSecond; got != 1.2 {
		t.Errorf("%v records/s consumed, want 1.2", got)
	}
	if why := stale(s, "topic_messages_in"); why != "" {
		t.Errorf("still stale: %s", why)
	}
}

func TestAFirstReadingCanWatchTheOffsets(t *testing.T) {
	c := fake(t)
	produce(t, c, 1)
	calls := 0
	r := newReader(t, Config{Bootstrap: c.ListenAddrs(), RateOver: 50 * time.Millisecond, Now: func() time.Time {
		calls++
		if calls == 2 { // between the two readings
			produce(t, c, 30)
		}
		return noon.Add(time.Duration(calls) * 10 * time.Second)
	}})
	s := place(t, r)
	if got := s.Topics[0].Partitions[1].Load.MessagesInPerSecond; got != 3 {
		t.Errorf("%v records/s written, want 3", got)
	}
	if why := stale(s, "topic_messages_in"); why != "" {
		t.Errorf("stale: %s", why)
	}
}

func TestMembersAreCountedByTheirRack(t *testing.T) {
	c := fake(t)
	produce(t, c, 1)
	for _, rack := range []string{"a", "a", "b"} {
		client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
			kgo.Rack(rack))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		go func() {
			for client.PollFetches(t.Context()).Err() == nil {
			}
		}()
	}
	r := newReader(t, Config{Bootstrap: c.ListenAddrs()})
	deadline := time.Now().Add(3 * time.Minute)
	for {
		s := place(t, r)
		if len(s.Groups) == 1 && s.Groups[0].Members == 3 && s.Groups[0].State == "Stable" {
			if z := s.Groups[0].ZonesOfMembers; z["a"] != 2 || z["b"] != 1 {
				t.Errorf("zones %v, want a:2 b:1", z)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the group did not settle: %+v", s.Groups)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestReassignmentsAndFencedBrokersAreAskedFor(t *testing.T) {
	c := fake(t)
	c.ControlKey(int16(kmsg.ListPartitionReassignments), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if req.(*kmsg.ListPartitionReassignmentsRequest).Topics != nil {
			t.Error("not all topics were asked for")
		}
		resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		topic := kmsg.NewListPartitionReassignmentsResponseTopic()
		topic.Topic = "orders"
		part := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		part.Replicas, part.AddingReplicas, part.RemovingReplicas = []int32{2, 0}, []int32{2}, []int32{1}
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.DescribeCluster), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !req.(*kmsg.DescribeClusterRequest).IncludeFencedBrokers {
			t.Error("fenced brokers were not asked for")
		}
		resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Rack, b.IsFenced = 9, kmsg.StringPtr("z"), true
		resp.Brokers = append(resp.Brokers, b)
		return resp, nil, true
	})
	s := place(t, newReader(t, Config{Bootstrap: c.ListenAddrs()}))
	if len(s.Reassignments) != 1 || fmt.Sprint(s.Reassignments[0].Replicas, s.Reassignments[0].Adding,
		s.Reassignments[0].Removing) != "[2 0] [2] [1]" {
		t.Errorf("reassignments %+v", s.Reassignments)
	}
	if b := s.Brokers[3]; b.ID != 9 || b.State != cluster.BrokerFenced || b.Zone != "z" {
		t.Errorf("broker %+v", b)
	}
}

func TestAPartThatFailsIsStaleAndTheRestStays(t *testing.T) {
	c := fake(t)
	c.ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
		resp.ErrorCode = 31 // CLUSTER_AUTHORIZATION_FAILED
		return resp, nil, true
	})
	s := place(t, newReader(t, Config{Bootstrap: c.ListenAddrs()}))
	for _, signal := range []cluster.Signal{"partition_size", "broker_disk_used", "broker_disk_capacity"} {
		if why := stale(s, signal); why == "" {
			t.Errorf("%s is not stale", signal)
		}
	}
	if len(s.Topics) != 1 || stale(s, "group_lag") != "" {
		t.Errorf("the rest is lost: %+v", s.Stale)
	}
}

func TestVolumes(t *testing.T) {
	dir := func(total, usable, size int64, cordoned bool) kadm.DescribedLogDir {
		return kadm.DescribedLogDir{TotalBytes: total, UsableBytes: usable, IsCordoned: cordoned, Topics: kadm.DescribedLogDirTopics{
			"t": {0: kadm.DescribedLogDirPartition{Topic: "t", Size: size}}}}
	}
	for _, c := range []struct {
		name           string
		dirs           kadm.DescribedLogDirs
		used, capacity int64
		told, cordoned bool
	}{
		{"a volume of its own", kadm.DescribedLogDirs{"a": dir(1000, 590, 400, false)}, 400, 990, true, false},
		{"a volume shared with others", kadm.DescribedLogDirs{"a": dir(1000, 200, 400, false)}, 400, 600, true, false},
		{"two volumes", kadm.DescribedLogDirs{"a": dir(1000, 600, 400, false), "b": dir(1000, 900, 100, true)}, 500, 2000, true, false},
		{"two directories on one volume", kadm.DescribedLogDirs{"a": dir(1000, 500, 400, true), "b": dir(1000, 500, 100, true)}, 500,
			1000, true, true},
		{"not told", kadm.DescribedLogDirs{"a": dir(-1, -1, 400, false)}, 400, 0, false, false},
		{"no directory", nil, 0, 0, false, false},
	} {
		v := volumesOf(c.dirs)
		if v.used != c.used || v.capacity != c.capacity || v.told != c.told || v.cordoned != c.cordoned {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

func TestDirectoriesAreListedWhereTheyDiffer(t *testing.T) {
	ok := kadm.DescribedLogDir{TotalBytes: 100, UsableBytes: 40, Topics: kadm.DescribedLogDirTopics{"t": {
		0: {Topic: "t", Size: 1}, 1: {Topic: "t", Partition: 1, Size: 1, IsFuture: true}}}}
	if got := directoriesOf(kadm.DescribedLogDirs{"/a": ok}); got != nil {
		t.Errorf("one directory is listed: %+v", got)
	}
	got := directoriesOf(kadm.DescribedLogDirs{"/b": {Err: kerr.KafkaStorageError, TotalBytes: -1, UsableBytes: -1}, "/a": ok})
	want := []cluster.Directory{{Path: "/a", Bytes: 100, Free: 40, Replicas: 1}, {Path: "/b", Offline: true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestABootstrapNobodyAnswersIsExplainedInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, c := range map[string]struct {
		addr, want string
		timeout    time.Duration
	}{
		"refused": {closed, "connection refused", time.Minute},
		"silent":  {silent.Addr().String(), "nobody answers within 1s", time.Second},
	} {
		r := newReader(t, Config{Bootstrap: []string{c.addr}, Timeout: c.timeout})
		began := time.Now()
		_, err := r.Placement(t.Context())
		t.Logf("%s: answered after %s", name, time.Since(began))
		if err == nil || !strings.Contains(err.Error(), "nobody answers") || !strings.Contains(err.Error(), c.addr) ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	pair, ca := certificate(t, "127.0.0.1")
	c := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	if s := place(t, newReader(t, Config{Bootstrap: c.ListenAddrs(), CAFile: ca})); len(s.Brokers) != 3 {
		t.Errorf("brokers %+v", s.Brokers)
	}
	for name, cfg := range map[string]Config{
		"unknown authority": {TLS: true},
		"elsewhere.test":    {CAFile: ca, ServerName: "elsewhere.test"},
	} {
		cfg.Bootstrap, cfg.Timeout = c.ListenAddrs(), time.Minute
		_, err := newReader(t, cfg).Placement(t.Context())
		if err == nil || !strings.Contains(err.Error(), "its certificate is not accepted") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSASL(t *testing.T) {
	c := fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"), kfake.Superuser("SCRAM-SHA-256", "u", "p"),
		kfake.Superuser("SCRAM-SHA-512", "u", "p"))
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := file("good", "p\n"), file("bad", "hunter2")
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cfg := Config{Bootstrap: c.ListenAddrs(), Mechanism: m, Username: "u", PasswordFile: good}
		if s := place(t, newReader(t, cfg)); len(s.Topics) != 1 {
			t.Errorf("%s: topics %+v", m, s.Topics)
		}
		cfg.PasswordFile, cfg.Timeout = bad, time.Minute
		_, err := newReader(t, cfg).Placement(t.Context())
		if err == nil || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s with a wrong password: error %v", m, err)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"no bootstrap address":                 {},
		"host:port":                            {Bootstrap: []string{""}},
		`"KERBEROS" is not one of PLAIN`:       {Bootstrap: []string{"b:9092"}, Mechanism: "KERBEROS"},
		"no SASL mechanism":                    {Bootstrap: []string{"b:9092"}, Username: "u"},
		"needs a user name":                    {Bootstrap: []string{"b:9092"}, Mechanism: "PLAIN"},
		"needs a token file":                   {Bootstrap: []string{"b:9092"}, Mechanism: "OAUTHBEARER"},
		"is empty":                             {Bootstrap: []string{"b:9092"}, Mechanism: "OAUTHBEARER", TokenFile: empty},
		"no such file":                         {Bootstrap: []string{"b:9092"}, CAFile: "/nonexistent"},
		"holds no PEM certificate":             {Bootstrap: []string{"b:9092"}, CAFile: empty},
		"both its file and its key's":          {Bootstrap: []string{"b:9092"}, CertFile: empty},
		"reading the client certificate: open": {Bootstrap: []string{"b:9092"}, CertFile: "/nonexistent", KeyFile: "/nonexistent"},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func certificate(t *testing.T, host string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.ParseIP(host)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}
