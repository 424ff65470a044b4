package controller

import (
	"fmt"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

const (
	// surgeRounds is how many rounds in a row the load must be above what was
	// expected before that is raised by the difference, and before a reading that
	// is above it by the ratio surgeAtOnce counts at all, unless another reading
	// shows the same. surgeMost is the most that is believed, in what was expected.
	surgeRounds = 2
	surgeAtOnce = 1.2
	surgeMost   = 10.0
	// linkSlack is how many times the links' nominal rate a reading may be: a
	// machine in the cloud may burst.
	linkSlack = 2
)

// belief is what is made of one reading of a load.
type belief struct {
	now    float64 // to be sized by
	excess float64 // of it, above what was expected
	why    string  // why it is not the reading; "" when it is
}

// believe holds a reading against what was expected: the forecast made before,
// or the reading before where there is none. links is what they can carry, and
// witness the same load by another way; 0 where there is none. A surge that is
// real shows in both, or in the next round.
func (fs *forecasts) believe(key string, p *prediction, at time.Time, now, witness, links float64) belief {
	b := belief{now: now}
	if links > 0 && now > linkSlack*links {
		b.now, b.why = linkSlack*links, "it is more than the links can carry"
	}
	expected, forecast := p.upperNow(at)
	if !forecast {
		last, known := fs.seen[key]
		if expected = last; !known {
			expected = b.now
		}
	}
	if b.now <= expected {
		delete(fs.surges, key)
		fs.seen[key] = b.now
		return b
	}
	fs.surges[key]++
	borneOut := fs.surges[key] >= surgeRounds && !refuted(b.now, witness) || witness*surgeAtOnce >= b.now
	switch {
	case refuted(b.now, witness):
		b.now, b.why = max(expected, witness), "Kafka's own offsets say less"
	case !borneOut && b.now > surgeAtOnce*expected:
		b.now, b.why = expected, "nothing else shows it yet"
	case borneOut && forecast:
		b.excess = min(b.now, surgeMost*expected) - expected
	}
	fs.seen[key] = b.now
	return b
}

// doubt tells what is made of a reading that is not believed.
func (b belief) doubt(what string, reading float64, unit string) string {
	return fmt.Sprintf("%s of %.4g %s is not believed, %.4g is: %s", what, reading, unit, b.now, b.why)
}

// linksOf is what the links of the brokers that are alive can carry together.
func linksOf(each cluster.BytesPerSecond, brokers int) float64 {
	return float64(each) * float64(brokers)
}
