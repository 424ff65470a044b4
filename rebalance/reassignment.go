package rebalance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/tidetable/tidetable/cluster"
)

// reassignmentVersion is the version of Kafka's own reassignment file.
const reassignmentVersion = 1

// Reassignment is one entry of Kafka's reassignment file: the replicas a
// partition is to have, preferred leader first.
type Reassignment struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Replicas  []int  `json:"replicas"`
}

// WriteReassignment writes moves as the file that kafka-reassign-partitions
// reads, one partition a line.
func WriteReassignment(w io.Writer, moves []cluster.Move) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	fmt.Fprintf(bw, "{\"version\":%d,\"partitions\":[", reassignmentVersion)
	var line []byte
	for n, m := range moves {
		line = line[:0]
		if n > 0 {
			line = append(line, ',')
		}
		name, err := json.Marshal(m.Topic)
		if err != nil {
			return fmt.Errorf("writing topic %q: %w", m.Topic, err)
		}
		line = append(line, "\n{\"topic\":"...)
		line = append(line, name...)
		line = append(line, ",\"partition\":"...)
		line = strconv.AppendInt(line, int64(m.Partition), 10)
		line = append(line, ",\"replicas\":["...)
		for k, b := range m.To {
			if k > 0 {
				line = append(line, ',')
			}
			line = strconv.AppendInt(line, int64(b), 10)
		}
		line = append(line, "]}"...)
		if _, err := bw.Write(line); err != nil {
			return fmt.Errorf("writing reassignment: %w", err)
		}
	}
	fmt.Fprint(bw, "\n]}\n")
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("writing reassignment: %w", err)
	}
	return nil
}

// ReadReassignment reads such a file. It reports every mistake in it.
func ReadReassignment(r io.Reader) ([]Reassignment, error) {
	var file struct {
		Version    int            `json:"version"`
		Partitions []Reassignment `json:"partitions"`
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("reading reassignment: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("reading reassignment: more follows the first object")
	}
	m := &mistakes{}
	if file.Version != reassignmentVersion {
		m.add("version", "%d is not %d", file.Version, reassignmentVersion)
	}
	type key struct {
		topic     string
		partition int
	}
	seen := make(map[key]bool, len(file.Partitions))
	for i, e := range file.Partitions {
		at := func(field string) string { return fmt.Sprintf("partitions[%d]%s", i, field) }
		k := key{e.Topic, e.Partition}
		switch {
		case e.Topic == "":
			m.add(at(".topic"), "is missing")
		case e.Partition < 0:
			m.add(at(".partition"), "%d is below zero", e.Partition)
		case seen[k]:
			m.add(at(""), "%s-%d is there twice", e.Topic, e.Partition)
		case len(e.Replicas) == 0:
			m.add(at(".replicas"), "%s-%d has none", e.Topic, e.Partition)
		}
		seen[k] = true
		for a, b := range e.Replicas {
			for _, c := range e.Replicas[:a] {
				if b == c {
					m.add(at(fmt.Sprintf(".replicas[%d]", a)), "%s-%d is on broker %d twice", e.Topic, e.Partition, b)
				}
			}
		}
	}
	if err := m.list.Err(); err != nil {
		return nil, fmt.Errorf("reading reassignment: %w", err)
	}
	return file.Partitions, nil
}
