package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// killBroker kills a broker of the run, waits, brings it back. The mover must
// say what that means in words that somebody on call can use.
func killBroker(which string) func(*moverBed, *result) {
	return func(b *moverBed, r *result) {
		plan := b.otherPlacement()
		tr := b.traffic(10)
		p := b.execute(plan, "--throttle", "3MB") // long enough for the broker to come back
		re := b.inFlight(p)
		var words []string
		switch which {
		case "controller":
			b.bounceController(p)
			words = []string{"the controller does not answer", "the cluster answers again"}
		case "destination":
			id := re.AddingReplicas[0]
			b.bounceBroker(p, id)
			words = []string{fmt.Sprintf("broker %d is down: holding its ", id), fmt.Sprintf("broker %d is back", id)}
		case "source":
			id := re.RemovingReplicas[0]
			b.bounceBroker(p, id)
			words = []string{fmt.Sprintf("broker %d is down: ", id), "which heal", fmt.Sprintf("broker %d is back", id)}
		}
		b.wait(p, 5*time.Minute, 0)
		// Partitions that no move names lost their leader with the broker too;
		// auto.leader.rebalance would give it back within five minutes.
		if _, err := b.adm.ElectLeaders(b.ctx, kadm.ElectPreferredReplica, b.allPartitions()); err != nil {
			b.t.Fatal(err)
		}
		b.settled(plan)
		tr.finish()
		r.sound = true
		says := p.stderr.String()
		for _, want := range words {
			if !strings.Contains(says, want) {
				b.t.Errorf("it does not say %q:\n%s", want, says)
			}
		}
		r.say("it says: %s; every move done", strings.Join(holds(says, words), "; "))
	}
}

// bounceBroker kills a broker, waits until the mover says so, and starts it.
func (b *moverBed) bounceBroker(p *process, id int32) {
	b.t.Helper()
	if err := b.Kafka.Broker(int(id)).Kill(); err != nil {
		b.t.Fatal(err)
	}
	b.says(p, fmt.Sprintf("broker %d is down", id))
	time.Sleep(5 * time.Second)
	if err := b.Kafka.Broker(int(id)).Start(b.ctx); err != nil {
		b.t.Fatal(err)
	}
}

// bounceController kills the controller, waits until the mover says so, and
// starts it.
func (b *moverBed) bounceController(p *process) {
	b.t.Helper()
	if err := b.Kafka.Controller.Kill(); err != nil {
		b.t.Fatal(err)
	}
	b.says(p, "the controller does not answer")
	if err := b.Kafka.RestartController(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *moverBed) allPartitions() kadm.TopicsSet {
	set := kadm.TopicsSet{}
	for i := range b.actual() {
		set.Add(b.topic, int32(i))
	}
	return set
}

// holds is what a mover said of these things, without the addresses.
func holds(events string, about []string) []string {
	var out []string
	for line := range strings.SplitSeq(events, "\n") {
		_, text, ok := strings.Cut(line, " hold: ")
		for _, a := range about {
			if ok && strings.HasPrefix(text, a) {
				out = append(out, "“"+addresses.ReplaceAllString(text, "")+"”")
				break
			}
		}
	}
	return out
}

var addresses = regexp.MustCompile(`: listing reassignments: [^;]*`)

// tenth is the first line of progress: a tenth of the bytes are moved.
var tenth = regexp.MustCompile(`(\S+) progress: 1\d % of [^,]*, [^,]*, (\S+) left`)

// forecastEnd holds the ETA after a tenth of the bytes against what it took,
// and the whole run against the busiest broker's bound.
func forecastEnd(b *moverBed, r *result) {
	b.onBig()
	plan := b.otherPlacement()
	// One replica is in transit at a time, in fetches of 256 kB: a rate that a
	// busy machine's brokers can keep to, so that it is the throttle that decides.
	const rate = 4e6
	began := time.Now()
	p := b.execute(plan, "--throttle", "4MB", "--poll", "1s")
	var said, left time.Duration
	var at time.Time
	b.poll("a tenth of the bytes", 2*time.Minute, func(context.Context) error {
		m := tenth.FindStringSubmatch(p.stderr.String())
		if m == nil {
			return errors.New(lastLine(p.stderr.String()))
		}
		var err error
		if said, err = time.ParseDuration(m[2]); err == nil {
			at, err = time.Parse(time.RFC3339Nano, m[1])
		}
		return err
	})
	s, err := b.status()
	if err != nil {
		b.t.Fatal(err)
	}
	bound := s.BytesTotal / rate // all of it goes to one broker
	b.wait(p, 10*time.Minute, 0)
	left = time.Since(at)
	took := time.Since(began).Seconds()
	b.settled(plan)
	r.sound = true
	off := said.Seconds()/left.Seconds() - 1
	if off < -0.15 || off > 0.15 {
		b.t.Errorf("after a tenth of the bytes it said %v, and it took %v: %+.0f %%", said, left, 100*off)
	}
	if took > 1.2*bound {
		b.t.Errorf("it took %.0f s, over 1.2 times the busiest broker's %.0f s", took, bound)
	}
	b.drop(bigTopic)
	r.say("ETA at a tenth %v, truth %v (%+.0f %%); %.0f s against the busiest broker's bound of %.0f s (%.2f ×); load average %s",
		said.Round(time.Second), left.Round(time.Second), 100*off, took, bound, took/bound, loadAverage())
}
