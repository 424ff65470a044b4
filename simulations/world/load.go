package world

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/simulations/workload"
)

// class is the topics that share a profile and a retention: one unit of it
// carries the profile's demand.
type class struct {
	profile int
	records int // see TopicSpec.Records
	// messageBytes is the mean size of the class's messages, where records are
	// followed.
	messageBytes float64
}

// load is what producers send, by class.
type load struct {
	profiles []*workload.Profile
	classes  []class
	// bytes is what one unit of each class sends now, in bytes per second.
	bytes []float64
	// records is the same for what counts records: bytes, unless the size of
	// messages drifts. It is in bytes of a mean message.
	records []float64
	drifts  bool
}

func newLoad(profiles []*workload.Profile, classes []class) load {
	l := load{profiles: profiles, classes: classes, bytes: make([]float64, len(classes))}
	l.records = l.bytes
	if l.drifts = slices.ContainsFunc(classes, func(c class) bool { return c.records > 0 }); l.drifts {
		l.records = make([]float64, len(classes))
	}
	return l
}

// set makes it the load at t.
func (l *load) set(t time.Time) {
	for k := range l.classes {
		l.bytes[k] = l.bytesAt(k, t)
	}
	if !l.drifts {
		return
	}
	for k := range l.classes {
		l.records[k] = l.recordsAt(k, t)
	}
}

// bytesAt is what one unit of a class sends at t, in bytes per second.
func (l *load) bytesAt(k int, t time.Time) float64 {
	return l.profiles[l.classes[k].profile].At(t)
}

// recordsAt is the same in bytes of the class's mean message: what arrives in
// records is that over the mean.
func (l *load) recordsAt(k int, t time.Time) float64 {
	c := &l.classes[k]
	if c.records > 0 {
		return l.profiles[c.records-1].At(t) * c.messageBytes
	}
	return l.bytesAt(k, t)
}
