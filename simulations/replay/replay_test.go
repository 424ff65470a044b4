package replay

import (
	"context"
	"math"
	"os"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
)

// wave is days of a rhythm with a steep morning.
func wave(days int) metrics.Series {
	s := metrics.Series{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 5 * time.Minute}
	for i := range days * 288 {
		h := float64(i%288) / 12
		s.Values = append(s.Values, 100+900/(1+math.Exp(-3*(h-9)))-850/(1+math.Exp(-3*(h-19)))+20*math.Sin(float64(i)*0.7))
	}
	return s
}

func settings(lead time.Duration) Settings {
	return Settings{LeadTime: lead, Forecaster: controller.NewForecaster}
}

func outcomes(t *testing.T, s metrics.Series, set Settings) map[string]Outcome {
	t.Helper()
	out, err := Run(context.Background(), "wave", s, set)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Outcome{}
	for _, o := range out {
		by[o.Policy] = o
	}
	return by
}

func TestForecastBeatsReactionWhenReplicasStartSlowly(t *testing.T) {
	by := outcomes(t, wave(8), settings(30*time.Minute))
	ours, reactive := by["tidetable"], by["reactive"]
	if reactive.ViolationsPerDay < 10 {
		t.Fatalf("the reactive policy violates for %.1f minutes a day: the wave is too easy to tell anything", reactive.ViolationsPerDay)
	}
	if ours.ViolationsPerDay > reactive.ViolationsPerDay/3 {
		t.Errorf("%.1f violation minutes a day against the reactive policy's %.1f", ours.ViolationsPerDay, reactive.ViolationsPerDay)
	}
	if ours.ActionsPerDay > reactive.ActionsPerDay {
		t.Errorf("%.0f actions a day against the reactive policy's %.0f", ours.ActionsPerDay, reactive.ActionsPerDay)
	}
	if ours.OverOracle > 1.4 {
		t.Errorf("%.2f times the oracle's replica-hours", ours.OverOracle)
	}
}

func TestNobodyKeepsThePromiseWithFewerReplicasThanTheOracle(t *testing.T) {
	by := outcomes(t, wave(5), settings(10*time.Minute))
	for _, name := range Policies {
		o := by[name]
		if o.ViolationsPerDay <= by["oracle"].ViolationsPerDay && o.OverOracle < 1 {
			t.Errorf("%s uses %.3f times the oracle's replica-hours, which cannot be", name, o.OverOracle)
		}
	}
	if o := by["just-in-time"]; o.ViolationsPerDay > 1 || o.OverOracle > 1.15 {
		t.Errorf("with foresight %.1f violation minutes a day at %.2f times the least", o.ViolationsPerDay, o.OverOracle)
	}
}

func TestRhythmTellsADailyWaveFromNoise(t *testing.T) {
	if r := Rhythm(wave(4)); r < 0.95 {
		t.Errorf("a daily wave has rhythm %.2f", r)
	}
	noise := wave(4)
	x := uint32(1)
	for i := range noise.Values {
		x = x*1664525 + 1013904223
		noise.Values[i] = float64(x >> 8)
	}
	if r := Rhythm(noise); r > 0.2 {
		t.Errorf("noise has rhythm %.2f", r)
	}
}

func TestEmptyDemandIsRefused(t *testing.T) {
	s := wave(2)
	clear(s.Values)
	if _, err := Run(context.Background(), "nothing", s, settings(time.Minute)); err == nil {
		t.Error("a trace without demand was replayed")
	}
}

func TestRealTraceIsReplayed(t *testing.T) {
	f, err := os.Open(shareddata.Path(t, "data", "traces", "crane_8.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := archive.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := tr.Column("value")
	set := settings(10 * time.Minute)
	set.From = 0.8
	by := outcomes(t, s, set)
	// Just in time is whole replicas with foresight; the oracle is a bound that nobody reaches.
	o, ready := by["tidetable"], by["just-in-time"]
	if over := o.ReplicaHours / ready.ReplicaHours; o.ViolationsPerDay > 5 || over > 1.3 {
		t.Errorf("%.1f violation minutes a day at %.2f times the replica-hours of who has them ready just in time", o.ViolationsPerDay, over)
	}
}
