package archive

import (
	"encoding/json"
	"fmt"

	"github.com/tidetable/tidetable/cluster"
)

// topic reads one topic, partition by partition: what it would unpack to is
// counted while it is read, and refused before it is there.
func (d *decoder) topic(path string) error {
	t := cluster.Topic{Partitions: []cluster.Partition{}}
	err := d.object(path, func(key string) error {
		at := path + "." + key
		switch key {
		case "name":
			return d.value(at, &t.Name)
		case "id":
			return d.value(at, &t.ID)
		case "internal":
			return d.value(at, &t.Internal)
		case "config":
			err := d.value(at, &t.Config)
			d.has.configs += len(t.Config)
			return d.within(at, err)
		case "partitions":
			t.Partitions = t.Partitions[:0]
			return elements(d, at, cluster.MaxPartitions, func(path string) error {
				var p wirePartition
				err := d.value(path, &p)
				d.has.partitions++
				d.has.replicas += len(p.Replicas) + len(p.ISR)
				t.Partitions = append(t.Partitions, p.partition())
				return d.within(at, err)
			})
		}
		return d.skip(at)
	})
	d.snapshot.Topics = append(d.snapshot.Topics, t)
	return err
}

// group reads one group as topic does.
func (d *decoder) group(path string) error {
	var g cluster.Group
	err := d.object(path, func(key string) error {
		at := path + "." + key
		switch key {
		case "name":
			return d.value(at, &g.Name)
		case "state":
			return d.value(at, &g.State)
		case "members":
			return d.value(at, &g.Members)
		case "zonesOfMembers":
			err := d.value(at, &g.ZonesOfMembers)
			d.has.configs += len(g.ZonesOfMembers)
			return d.within(at, err)
		case "partitions":
			g.Partitions = []cluster.GroupPartition{}
			return elements(d, at, cluster.MaxGroupPartitions, func(path string) error {
				var p cluster.GroupPartition
				err := d.value(path, &p)
				d.has.followed++
				g.Partitions = append(g.Partitions, p)
				return d.within(at, err)
			})
		}
		return d.skip(at)
	})
	d.snapshot.Groups = append(d.snapshot.Groups, g)
	return err
}

// within is err, or that there is more of something than a cluster has.
func (d *decoder) within(path string, err error) error {
	has, most := d.has, d.most
	if err == nil && (has.partitions > most.partitions || has.replicas > most.replicas ||
		has.followed > most.followed || has.configs > most.configs) {
		err = tooLarge(path)
	}
	return err
}

// object walks through the members of an object; read takes one in.
func (d *decoder) object(path string, read func(key string) error) error {
	d.in.left = d.in.limit
	t, err := d.json.Token()
	if err != nil {
		return d.explain(path, err)
	}
	if t == nil { // null is an empty object
		return nil
	}
	if t != json.Delim('{') {
		return fmt.Errorf("%s: is not an object", path)
	}
	return d.members(path, read)
}

// members walks through the members of an object that is open, to its end.
func (d *decoder) members(path string, read func(key string) error) error {
	for {
		d.in.left = d.in.limit
		t, err := d.json.Token()
		if err != nil {
			return d.explain(path, err)
		}
		key, ok := t.(string)
		if !ok {
			return nil // the end: the decoder lets nothing else stand here
		}
		if err := read(key); err != nil {
			return err
		}
	}
}

// The wire types tell a missing field from a zero where zero would be a lie.
type wireBroker struct {
	ID *int `json:"id"`
	cluster.Broker
}

func (w wireBroker) broker() cluster.Broker {
	w.Broker.ID = orMinusOne(w.ID)
	return w.Broker
}

// orMinusOne turns a missing number into -1: no leader, or an id that
// validation refuses.
func orMinusOne(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

type wirePartition struct {
	Partition *int         `json:"partition"`
	Replicas  []int        `json:"replicas"`
	ISR       []int        `json:"isr"`
	Leader    *int         `json:"leader"`
	Load      cluster.Load `json:"load"`
}

func (w wirePartition) partition() cluster.Partition {
	return cluster.Partition{
		Partition: orMinusOne(w.Partition), Replicas: w.Replicas, ISR: w.ISR, Leader: orMinusOne(w.Leader), Load: w.Load,
	}
}
