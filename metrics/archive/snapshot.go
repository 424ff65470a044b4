package archive

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// maxElementBytes bounds one element of a snapshot, such as a broker, a
// partition or a topic's configuration; a partition of 1,000 replicas is 20 kB.
// It keeps one endless string or list of a hostile file out of memory. A field
// that is passed over may be larger: nothing of it is kept.
const (
	maxElementBytes = 1 << 20
	maxSkippedBytes = 16 << 20
)

// ReadSnapshot reads a snapshot as docs/formats/snapshot.md describes it, one
// topic at a time, validates it and sorts it. Fields it does not know are
// passed over, so that a newer writer's file can be read. What is wrong is
// told in one line, with every mistake and its path; a text that is not JSON,
// or that ends too early, with the place where that shows.
func ReadSnapshot(r io.Reader) (cluster.Snapshot, error) {
	return readSnapshot(r, limits{
		element: maxElementBytes, partitions: cluster.MaxPartitions, replicas: 2 * cluster.MaxAllReplicas,
		followed: cluster.MaxGroupPartitions, configs: cluster.MaxConfigs,
	})
}

// limits bound what is kept of a file: bytes of one element, and how many there
// are of what nests. Replicas count once more where they are in sync.
type limits struct {
	element                                 int64
	partitions, replicas, followed, configs int
}

func readSnapshot(r io.Reader, most limits) (cluster.Snapshot, error) {
	in := &budget{r: r, limit: most.element}
	d := decoder{json: json.NewDecoder(in), in: in, most: most}
	if err := d.document(); err != nil {
		return cluster.Snapshot{}, fmt.Errorf("reading snapshot: %w", err)
	}
	if err := d.snapshot.Validate(); err != nil {
		return cluster.Snapshot{}, fmt.Errorf("reading snapshot: %w", err)
	}
	d.snapshot.Sort()
	return d.snapshot, nil
}

// decoder walks the outer object itself and decodes the elements of its
// arrays one by one, so that the text is never in memory as a whole.
type decoder struct {
	json     *json.Decoder
	in       *budget
	most     limits
	has      limits // so far
	snapshot cluster.Snapshot
}

func (d *decoder) document() error {
	if err := d.open('{', "the document"); err != nil {
		return err
	}
	seen := map[string]bool{}
	err := d.members("the document", func(key string) error {
		if seen[key] {
			return fmt.Errorf("%s: is given twice", key)
		}
		seen[key] = true
		return d.member(key)
	})
	if err != nil {
		return err
	}
	d.in.left = d.in.limit
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is something after the document, at byte %d", d.json.InputOffset())
	}
	return nil
}

func (d *decoder) member(key string) error {
	s := &d.snapshot
	switch key {
	case "version":
		return d.value(key, &s.Version)
	case "takenAt":
		return d.value(key, &s.TakenAt)
	case "clusterId":
		return d.value(key, &s.ClusterID)
	case "brokers":
		return each(d, key, cluster.MaxBrokers, func(b wireBroker) int {
			s.Brokers = append(s.Brokers, b.broker())
			return 1 + len(b.Directories)/16
		})
	case "topics":
		return elements(d, key, cluster.MaxTopics, d.topic)
	case "groups":
		return elements(d, key, cluster.MaxTopics, d.group)
	case "reassignments":
		return each(d, key, cluster.MaxPartitions, func(r cluster.Reassignment) int {
			s.Reassignments = append(s.Reassignments, r)
			return 1
		})
	case "sources":
		return each(d, key, cluster.MaxTopics, func(x cluster.Source) int {
			s.Sources = append(s.Sources, x)
			return 1 + len(x.Signals)/16 + len(x.Remarks)/16
		})
	case "stale":
		return each(d, key, cluster.MaxTopics, func(x cluster.StaleSignal) int {
			s.Stale = append(s.Stale, x)
			return 1
		})
	}
	return d.skip(key)
}

// skip passes over a value, whatever it is.
func (d *decoder) skip(path string) error {
	d.in.limit = maxSkippedBytes
	var skipped json.RawMessage
	err := d.value(path, &skipped)
	d.in.limit = d.most.element
	return err
}

// each decodes the elements of an array one by one. add returns how much an
// element weighs against the limit.
func each[T any](d *decoder, key string, limit int, add func(T) int) error {
	weight := 0
	return elements(d, key, limit, func(path string) error {
		var x T
		if err := d.value(path, &x); err != nil {
			return err
		}
		if weight += add(x); weight > limit {
			return tooLarge(key)
		}
		return nil
	})
}

// elements walks through the elements of an array; read takes one in.
func elements(d *decoder, key string, limit int, read func(path string) error) error {
	d.in.left = d.in.limit
	t, err := d.json.Token()
	if err != nil {
		return d.explain(key, err)
	}
	if t == nil { // null is an empty list
		return nil
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%s: is not a list", key)
	}
	for i := 0; ; i++ {
		d.in.left = d.in.limit
		if !d.json.More() {
			break
		}
		if i >= limit {
			return tooLarge(key)
		}
		if err := read(fmt.Sprintf("%s[%d]", key, i)); err != nil {
			return err
		}
	}
	if _, err := d.json.Token(); err != nil {
		return d.explain(fmt.Sprintf("%s, which is not closed", key), err)
	}
	return nil
}

func tooLarge(key string) error {
	return fmt.Errorf("%s: is larger than a cluster can be (limits: %d topics, %d partitions, %d replicas, %d brokers)",
		key, cluster.MaxTopics, cluster.MaxPartitions, cluster.MaxAllReplicas, cluster.MaxBrokers)
}

func (d *decoder) value(path string, into any) error {
	d.in.left = d.in.limit
	if err := d.json.Decode(into); err != nil {
		return d.explain(path, err)
	}
	return nil
}

func (d *decoder) open(want json.Delim, what string) error {
	d.in.left = d.in.limit
	t, err := d.json.Token()
	if errors.Is(err, io.EOF) {
		return errors.New("the input is empty; want one JSON object")
	}
	if err != nil {
		return d.explain(what, err)
	}
	if t != want {
		return fmt.Errorf("%s is not a JSON object", what)
	}
	return nil
}

// explain says in the file's words what encoding/json says in Go's.
func (d *decoder) explain(path string, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the text ends in the middle, after %d bytes; is the file complete?", path, d.in.read)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not JSON near byte %d: %w", path, syntax.Offset, err)
	case errors.As(err, &kind):
		if kind.Field != "" {
			path += "." + kind.Field
		}
		return fmt.Errorf("%s: is a %s; want a %s", path, kind.Value, wantedKind(kind))
	}
	return fmt.Errorf("%s: %w", path, err)
}

func wantedKind(e *json.UnmarshalTypeError) string {
	switch k := e.Type.Kind().String(); {
	case strings.HasPrefix(k, "int"):
		return "whole number"
	case strings.HasPrefix(k, "float"):
		return "finite number"
	case k == "slice":
		return "list"
	case k == "map", k == "struct":
		return "object"
	case k == "bool":
		return "true or false"
	default:
		return k
	}
}

// budget fails when one element needs more bytes than it may.
type budget struct {
	r     io.Reader
	limit int64
	left  int64 // set to limit before each element
	read  int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("one element is larger than the limit of %d bytes", b.limit)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	b.read += int64(n)
	return n, err
}

// WriteSnapshot validates, sorts and writes a snapshot as JSON, one broker and
// one partition a line, so that two snapshots can be compared with diff. The
// same snapshot gives the same bytes.
func WriteSnapshot(w io.Writer, s cluster.Snapshot) error {
	s = sortedCopy(s)
	if err := s.Validate(); err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	e := &encoder{w: bufio.NewWriterSize(w, 1<<16)}
	e.text("{\n\"version\": ")
	e.json(s.Version)
	e.text(",\n\"takenAt\": ")
	e.json(s.TakenAt)
	e.text(",\n\"clusterId\": ")
	e.json(s.ClusterID)
	list(e, "brokers", s.Brokers)
	e.topics(s.Topics)
	list(e, "groups", s.Groups)
	if len(s.Reassignments) > 0 {
		list(e, "reassignments", s.Reassignments)
	}
	if len(s.Stale) > 0 {
		list(e, "stale", s.Stale)
	}
	if len(s.Sources) > 0 {
		list(e, "sources", s.Sources)
	}
	e.text("\n}\n")
	if e.err == nil {
		e.err = e.w.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("writing snapshot: %w", e.err)
	}
	return nil
}

// sortedCopy sorts without touching the caller's slices.
func sortedCopy(s cluster.Snapshot) cluster.Snapshot {
	s.Brokers = append([]cluster.Broker(nil), s.Brokers...)
	s.Topics = append([]cluster.Topic(nil), s.Topics...)
	for i := range s.Topics {
		s.Topics[i].Partitions = append([]cluster.Partition(nil), s.Topics[i].Partitions...)
	}
	s.Groups = append([]cluster.Group(nil), s.Groups...)
	for i := range s.Groups {
		s.Groups[i].Partitions = append([]cluster.GroupPartition(nil), s.Groups[i].Partitions...)
	}
	s.Reassignments = append([]cluster.Reassignment(nil), s.Reassignments...)
	s.Stale = append([]cluster.StaleSignal(nil), s.Stale...)
	s.Sort()
	return s
}

// encoder remembers the first error.
type encoder struct {
	w   *bufio.Writer
	err error
}

func (e *encoder) text(s string) {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

func (e *encoder) json(v any) {
	if e.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	_, e.err = e.w.Write(text)
}

func list[T any](e *encoder, name string, elements []T) {
	e.text(",\n\"" + name + "\": [")
	for i, x := range elements {
		e.text(separator(i))
		e.json(x)
	}
	e.text("]")
}

func (e *encoder) topics(topics []cluster.Topic) {
	e.text(",\n\"topics\": [")
	for i, t := range topics {
		e.text(separator(i) + "{\"name\":")
		e.json(t.Name)
		if t.ID != "" {
			e.text(",\"id\":")
			e.json(t.ID)
		}
		e.text(",\"internal\":")
		e.json(t.Internal)
		e.text(",\"config\":")
		if t.Config == nil {
			t.Config = map[string]string{}
		}
		e.json(t.Config)
		e.text(",\"partitions\":[")
		for k, p := range t.Partitions {
			e.text(separator(k))
			if p.ISR == nil {
				p.ISR = []int{}
			}
			e.json(p)
		}
		e.text("]}")
	}
	e.text("]")
}

func separator(i int) string {
	if i == 0 {
		return "\n"
	}
	return ",\n"
}
