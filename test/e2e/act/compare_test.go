package act

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/simulations/agreement"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// The day is recorded once for both tests: it takes ten minutes.
var comparedDay *recorded

// theDay runs one day with two groups that read the same topic: tidetable sizes
// one and the brokers, KEDA's formula the other. TIDETABLE_RECORD keeps its files
// in a folder, and TIDETABLE_RECORDED takes such a folder instead of a new day.
func theDay(t *testing.T) *recorded {
	t.Helper()
	dir := os.Getenv("TIDETABLE_RECORDED")
	if dir == "" {
		testbed.RequireKubernetes(t)
	}
	requireSoak(t, "a whole day and its nights, ten minutes, and what is judged is when things happen, to the tick")
	switch {
	case comparedDay != nil:
	case dir == "":
		ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
		defer cancel()
		comparedDay = recordDay(ctx, t)
	default:
		comparedDay = &recorded{Dir: dir}
		text, err := os.ReadFile(filepath.Join(dir, "recorded.json"))
		must(t, err)
		must(t, json.Unmarshal(text, comparedDay))
	}
	return comparedDay
}

func TestTheSameDayAheadAndByLag(t *testing.T) {
	r := theDay(t)
	ahead, byLag := newResult(t, rowAhead), newResult(t, rowLagPolicy)
	span := r.Samples[len(r.Samples)-1].At.Sub(r.Samples[0].At).Seconds()
	ahead.Seconds, byLag.Seconds = span, span
	mine, theirs := r.tell(ahead, aheadGroup), r.tell(byLag, lagGroup)
	if mine > theirs {
		t.Errorf("the group that is scaled ahead was over its objective for %s, the one that follows its lag for %s", mine, theirs)
	}
	if mine > 15*time.Second { // a rebalance may pause the group for a moment
		t.Errorf("the group that is scaled ahead was over its objective for %s", mine)
	}
}

// On a machine that has other work, scrapes and looks come late and the load
// itself stutters; then a scaling may be a few ticks off.
func TestTheSameDayIsToldByItsSimulation(t *testing.T) {
	r := theDay(t)
	happened, happenedLag := r.day(aheadGroup), r.day(lagGroup)
	must(t, keep(filepath.Join(r.Dir, "ahead.json"), happened))
	must(t, keep(filepath.Join(r.Dir, "bylag.json"), happenedLag))
	simulated, simulatedLag := r.simulated(t.Context(), t)
	first, second := agreement.Judge(happened, simulated), agreement.Judge(happenedLag, simulatedLag)
	for _, report := range []agreement.Report{first, second} {
		var s strings.Builder
		report.Write(&s, false)
		t.Logf("\n%s", s.String())
		if err := report.Err(); err != nil {
			t.Error(err)
		}
	}
	// Written however it came out: the table says by how much.
	must(t, writeAgreement(filepath.Join("..", "..", "..", "docs", "simulation-results.md"), r, first, second))
}

// keep writes a day down.
func keep(path string, d agreement.Day) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// tell adds to a row what the day was for a group, and gives the time over the
// objective.
func (r *recorded) tell(row *result, group string) (over time.Duration) {
	highest, replicas, changes, records := 0.0, 0.0, 0, int64(0)
	for i := range r.Samples[1:] {
		was, is := r.Samples[i].Groups[group], r.Samples[i+1].Groups[group]
		d := r.Samples[i+1].At.Sub(r.Samples[i].At)
		if was.Seconds > lagSLO {
			over += d
		}
		highest, records = math.Max(highest, is.Seconds), max(records, is.Lag)
		replicas += float64(was.Pods.Want) * d.Minutes()
		if was.Pods.Want != is.Pods.Want {
			changes++
		}
	}
	row.fact("%.1f minutes over the lag objective of %d s", over.Minutes(), lagSLO)
	row.fact("highest lag %.1f s, %d records", highest, records)
	row.fact("%d changes of consumers, %.0f replica-minutes", changes, replicas)
	if group == lagGroup {
		row.fact("at the same time, on the same topic and brokers; lagThreshold %d, ten seconds of a replica's work, HPA's defaults", lagThreshold)
	}
	return over
}

const (
	agreementBegin = "<!-- testbed:begin -->\n"
	agreementEnd   = "<!-- testbed:end -->\n"
)

// writeAgreement puts both reports between the marks of a page.
func writeAgreement(path string, r *recorded, ahead, byLag agreement.Report) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(agreementBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(agreementEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the agreement: %s … %s", path, strings.TrimSpace(agreementBegin), strings.TrimSpace(agreementEnd))
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(agreementBegin)
	span := r.Samples[len(r.Samples)-1].At.Sub(r.First).Seconds()
	fmt.Fprintf(&b, "Recorded on %s by `make soak-day`, %.0f seconds from the first look on. Scaled by tidetable, brokers and a group; a tick is\nits interval, %s:\n\n", r.First.UTC().Format(time.DateOnly), span, interval)
	ahead.Write(&b, true)
	fmt.Fprintf(&b, "\n\nThe group that is scaled by its lag; a tick is the HPA's, %s:\n\n", kedaTick)
	byLag.Write(&b, true)
	b.WriteString("\n" + agreementEnd)
	b.Write(after)
	return os.WriteFile(path, b.Bytes(), 0o644)
}
