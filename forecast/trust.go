package forecast

import (
	"fmt"
	"math"
)

// trust decides whether the predictive part is worth listening to. It holds
// the ensemble against what needs no model at all, one hour to a day ahead:
// the last value, yesterday, and a flat line at the recent typical load. Where
// it is no better the prediction is not acted upon, and says so.
type trust struct {
	knots                        []int // those from an hour to a day ahead
	mine, last, yesterday, plain float64
	load                         float64
	n                            float64
	memory                       float64 // outcomes that count
	typical                      float64 // running median of the load
	off                          bool
	why                          string
	days                         int
}

const (
	// minSkill is by what share the ensemble must beat the best of what needs no
	// model, and regainSkill by how much to be believed again.
	minSkill    = 0.0
	regainSkill = 0.03
	// maxNoise is the error, as a share of the load, past which a forecast says
	// little even when others say less, and regainNoise where it is believed
	// again.
	maxNoise    = 0.5
	regainNoise = 0.45
	// smallError is the error, as a share of the load, under which a forecast is
	// good enough to size by whatever else does better: on a load that repeats
	// itself to the percent, yesterday is hard to beat and nothing is won by it.
	smallError = 0.1
	// trustDays is how many days of outcomes count.
	trustDays = 5
	// trialDays pass before anything is switched off.
	trialDays = 4
)

func newTrust(c *core) trust {
	t := trust{}
	hour := max(1, c.s.day/24)
	for k, a := range c.knots.at {
		if a >= hour && a <= c.s.day {
			t.knots = append(t.knots, k)
		}
	}
	if len(t.knots) == 0 {
		t.knots = []int{len(c.knots.at) - 1}
	}
	t.memory = trustDays * float64(c.s.day) / float64(c.stride) * float64(len(t.knots))
	return t
}

// observe takes the outcome y of what was said in r at knot k.
func (t *trust) observe(k int, y float64, r pendingRow) {
	if k < t.knots[0] || k > t.knots[len(t.knots)-1] {
		return
	}
	if t.typical == 0 {
		t.typical = y
	}
	// The median by small steps toward each value (Robbins and Monro).
	step := 4 / t.memory * math.Max(math.Abs(y-t.typical), t.load/math.Max(t.n, 1)/4)
	if y > t.typical {
		t.typical += step
	} else {
		t.typical = math.Max(0, t.typical-step)
	}
	f := 1 - 1/t.memory
	add := func(v *float64, e float64) { *v = f**v + e }
	add(&t.mine, math.Abs(y-float64(*r.mix)))
	add(&t.last, math.Abs(y-float64(r.experts[0])))
	if v := float64(r.experts[yesterdayExpert]); !math.IsNaN(v) {
		add(&t.yesterday, math.Abs(y-v))
	} else {
		add(&t.yesterday, math.Abs(y-float64(*r.mix)))
	}
	add(&t.plain, math.Abs(y-t.typical))
	add(&t.load, y)
	add(&t.n, 1)
}

// yesterdayExpert is the place of the plain "yesterday" among the experts.
const yesterdayExpert = 2

// skill is how much less the ensemble errs than the best of what needs no
// model, and the name of that.
func (t *trust) skill() (float64, string) {
	best, name := t.last, "repeating the last value"
	if t.yesterday < best {
		best, name = t.yesterday, "repeating yesterday"
	}
	if t.plain < best {
		best, name = t.plain, "a flat line"
	}
	if best <= 0 {
		return 1, name // nothing errs: a constant load
	}
	return 1 - t.mine/best, name
}

// noise is the ensemble's error as a share of the load.
func (t *trust) noise() float64 {
	if t.load <= 0 {
		return 0
	}
	return t.mine / t.load
}

// day looks once a day.
func (t *trust) day(*core) {
	if t.days++; t.days < trialDays || t.n < 20 {
		return
	}
	skill, name := t.skill()
	noise := t.noise()
	skillFloor, noiseTop := minSkill, maxNoise
	if t.off {
		skillFloor, noiseTop = regainSkill, regainNoise
	}
	switch {
	case noise > noiseTop:
		t.off, t.why = true, fmt.Sprintf("switched off: over the last %d days forecasts of an hour to a day ahead missed by %.0f %% of the load on average", trustDays, 100*noise)
	case skill < skillFloor && noise > smallError:
		t.off, t.why = true, fmt.Sprintf("switched off: over the last %d days forecasts of an hour to a day ahead erred %.0f %% less than %s, which needs no model", trustDays, 100*skill, name)
		if skill < 0 {
			t.why = fmt.Sprintf("switched off: over the last %d days forecasts of an hour to a day ahead erred %.0f %% more than %s, which needs no model", trustDays, -100*skill, name)
		}
	default:
		t.off, t.why = false, ""
	}
}
