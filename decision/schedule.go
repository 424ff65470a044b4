package decision

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Schedule is when the number of brokers should change over the days to come,
// and what that costs: the cheapest course by the forecast as it is now. It is
// made anew with every forecast, and only its first change is acted on.
type Schedule struct {
	Until   time.Time         `json:"until"`
	Unit    string            `json:"unit"`    // what costs are in: a currency, or broker-hours
	Needed  int               `json:"needed"`  // brokers, now, by the sizing quantile
	Changes []ScheduledChange `json:"changes"` // oldest first
	Cost    ScheduleCost      `json:"cost"`
	// Waived is the nearest change to fewer brokers that does not pay; absent when
	// nothing could be taken away.
	Waived *WaivedChange `json:"waived,omitempty"`
}

// ScheduleCost is what a schedule costs until its end, by kind.
type ScheduleCost struct {
	Brokers float64 `json:"brokers"`
	Moves   float64 `json:"moves"`
	Short   float64 `json:"short"` // for brokers that are needed and not there
	// BrokerHour is the price of a broker for an hour.
	BrokerHour float64 `json:"brokerHour"`
}

// ScheduledChange is one change of a schedule.
type ScheduledChange struct {
	From  int           `json:"from"`
	To    int           `json:"to"`
	At    time.Time     `json:"at"`    // when it begins
	Ready time.Time     `json:"ready"` // when the size serves
	For   time.Time     `json:"for,omitzero"`
	Moved cluster.Bytes `json:"movedBytes"`
	Cost  float64       `json:"cost"` // of moving, and of changing at all
}

// WaivedChange is a change that does not pay.
type WaivedChange struct {
	ScheduledChange
	Saves float64 `json:"saves"` // in brokers
	Costs float64 `json:"costs"` // in moves and in what would be short
}

// Due is the change that should begin by now; nil when none should, or nothing is
// scheduled.
func (s *Schedule) Due(now time.Time) *ScheduledChange {
	if s == nil || len(s.Changes) == 0 || s.Changes[0].At.After(now) {
		return nil
	}
	return &s.Changes[0]
}

// Comes says what comes next, in few words.
func (s *Schedule) Comes() string {
	if len(s.Changes) == 0 {
		return "no change until " + clock(s.Until)
	}
	return s.Changes[0].short()
}

// short is a change by its size and its time.
func (c ScheduledChange) short() string {
	s := fmt.Sprintf("%+d at %s", c.To-c.From, clock(c.At))
	if !c.For.IsZero() {
		s += " for what is needed at " + clock(c.For)
	}
	return s
}

// Words is a change in one line.
func (c ScheduledChange) Words() string {
	return fmt.Sprintf("%s (%d → %d, serving from %s, %s to move)", c.short(), c.From, c.To, clock(c.Ready), c.Moved)
}

// Words is a schedule in lines: its changes, or that there are none, and what
// does not pay.
func (s *Schedule) Words() []string {
	var lines []string
	for _, c := range s.Changes {
		lines = append(lines, c.Words())
	}
	if len(lines) == 0 {
		lines = append(lines, s.Comes())
	}
	if w := s.Waived; w != nil {
		lines = append(lines, fmt.Sprintf("%+d at %s would save %s and cost %s: not worth it",
			w.To-w.From, clock(w.At), s.Amount(w.Saves), s.Amount(w.Costs)))
	}
	return lines
}

// Amount is a cost in the schedule's unit.
func (s *Schedule) Amount(v float64) string {
	return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, s.Unit))
}

func clock(t time.Time) string { return t.UTC().Format("Mon 15:04 MST") }
