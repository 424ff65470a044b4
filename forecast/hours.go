package forecast

// hours are the errors by the hour of the day they came at, over what the
// distance ahead errs on average, and shared by all distances. A batch of an
// hour in a day of nothing errs as it errs, whatever the other hours do.
type hours struct {
	hist [phases]histogram
	now  [len(judged)][phases]float64 // their quantiles, renewed once in a while
	n    int
}

// newHours makes one that remembers so many outcomes of an hour.
func newHours(memory float64) *hours {
	h := &hours{}
	for i := range h.hist {
		h.hist[i].growth = 1 / (1 - 1/max(memory, leastMemory))
	}
	return h
}

func hourAt(phase float64) int { return int(phase*phases) % phases }

// learn takes an error, in mean errors of its distance, at a phase of the day.
func (h *hours) learn(phase, e float64) {
	h.hist[hourAt(phase)].add(e)
	if h.n++; h.n%hoursRenewed == 0 {
		for j, q := range judged {
			h.now[j] = h.at(q)
		}
	}
}

// at is the q quantile of every hour.
func (h *hours) at(q float64) (out [phases]float64) {
	for i := range h.hist {
		out[i] = h.hist[i].quantile(q)
	}
	return out
}

// idle says that nothing was forecast and nothing came: a time that tells
// nothing of the times when something does.
func idle(mix, y float64) bool { return mix < offsetShare && y < offsetShare }
