package forecast

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestTrackJudgesWhatWasSaidAndSurvivesARestart(t *testing.T) {
	s := fourWeeks(4)
	st := New(Options{}).NewState(s.Start, s.Step)
	n := len(s.Values) - 3*288
	st.Load(s.Values[:n])
	tr := &Track{Ahead: time.Hour}
	for i := n; i < len(s.Values); i++ {
		st.Observe(s.Values[i])
		tr.Observe(s.TimeAt(i), s.Values[i])
		if i%6 != 0 {
			continue
		}
		p, err := st.Predict(Horizon{Ahead: time.Hour, Quantiles: []float64{0.5, 0.95}})
		if err != nil {
			t.Fatal(err)
		}
		tr.Issue(p, s.Values[i])
		tr.Issue(p, s.Values[i]) // saying it twice counts once
		kept, err := json.Marshal(tr)
		if err != nil {
			t.Fatal(err)
		}
		tr = &Track{}
		if err := json.Unmarshal(kept, tr); err != nil {
			t.Fatal(err)
		}
	}
	if len(tr.Waiting) != 2 {
		t.Errorf("%d forecasts wait for the last hour, want 2", len(tr.Waiting))
	}
	if c, ok := tr.Coverage(); !ok || c < 0.85 {
		t.Errorf("coverage %v, %v", c, ok)
	}
	if w, ok := tr.WAPE(); !ok || w > 0.2 {
		t.Errorf("WAPE %v, %v", w, ok)
	}
	if k, ok := tr.Skill(); !ok || k <= 0 {
		t.Errorf("skill %v, %v", k, ok)
	}
}

func TestTrackWithoutOutcomesSaysNothing(t *testing.T) {
	tr := &Track{Ahead: time.Hour}
	tr.Observe(monday, 5)
	tr.Issue(Prediction{}, 1)
	tr.Issue(Prediction{Origin: monday, Step: time.Hour, Quantiles: []float64{0.5}, Points: []Point{{monday.Add(time.Hour), []float64{3}}}}, 1)
	tr.Observe(monday.Add(time.Hour), math.NaN())
	if _, ok := tr.Coverage(); ok {
		t.Error("a missing outcome was judged")
	}
	if len(tr.Waiting) != 0 {
		t.Error("it still waits for a time that has passed")
	}
}
