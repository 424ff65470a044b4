package replay

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
)

func TestExperiment(t *testing.T) {
	spec := os.Getenv("EXP")
	if spec == "" {
		t.Skip()
	}
	dir := shareddata.Path(t, "data", "traces")
	files, _ := filepath.Glob(filepath.Join(dir, "*.csv"))
	for _, one := range strings.Split(spec, ";") {
		run(t, files, one)
	}
}

func run(t *testing.T, files []string, spec string) {
	lead, pols := 10*time.Minute, []string{"tidetable", "oracle"}
	var util, q, stab, lag float64 = 0, 0, 0, 60
	refresh, interval := 5.0, 1.0
	for _, kv := range strings.Fields(spec) {
		k, v, _ := strings.Cut(kv, "=")
		f, _ := strconv.ParseFloat(v, 64)
		switch k {
		case "lead":
			lead = time.Duration(f) * time.Minute
		case "pols":
			pols = strings.Split(v, ",")
		case "util":
			util = f
		case "q":
			q = f
		case "stab":
			stab = f
		case "lag":
			lag = f
		case "refresh":
			refresh = f
		case "interval":
			interval = f
		}
	}
	sum := map[string]*Outcome{}
	hours := map[string]float64{}
	n := 0.0
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(2)
	for _, f := range files {
		base := strings.TrimSuffix(filepath.Base(f), ".csv")
		if base == "baselines" || base == "prophet" || base == "mstl_ets" {
			continue
		}
		n++
		g.Go(func() error {
			r, _ := os.Open(f)
			tr, err := archive.ReadTrace(r)
			if err != nil {
				return err
			}
			s, _ := tr.Column("value")
			out, err := Run(context.Background(), base, s, Settings{LeadTime: lead, MaxLag: time.Duration(lag) * time.Second, Policies: pols, Forecaster: func() forecast.Forecaster { return forecast.New(forecast.Options{}) },
				Policy: func(d *policy.Policy) {
					c := &d.Spec.Consumers[0]
					if util > 0 {
						c.Utilisation = cluster.Ratio(util)
					}
					if stab > 0 {
						c.Stabilisation = policy.Duration(time.Duration(stab) * time.Minute)
					}
					if q > 0 {
						d.Spec.Forecast.Quantile = cluster.Ratio(q)
					}
					d.Spec.Interval = policy.Duration(time.Duration(interval) * time.Minute)
					d.Spec.Forecast.Refresh = policy.Duration(time.Duration(refresh) * time.Minute)
				}})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, o := range out {
				if o.Policy != "oracle" {
					t.Logf("%-4s %-24s %-10s %7.1f viol/d %7.1f short %6.2fx %7.1f act/d", lead, o.Trace[:min(24, len(o.Trace))], o.Policy, o.ViolationsPerDay, o.ShortPerDay, o.OverOracle, o.ActionsPerDay)
				}
				if sum[o.Policy] == nil {
					sum[o.Policy] = &Outcome{}
				}
				x := sum[o.Policy]
				x.ViolationsPerDay += o.ViolationsPerDay
				x.ShortPerDay += o.ShortPerDay
				x.ActionsPerDay += o.ActionsPerDay
				x.OverOracle += math.Log(o.OverOracle)
				hours[o.Policy] += o.ReplicaHours / o.Days
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, p := range pols {
		x := sum[p]
		t.Logf("MEAN [%s] %-10s %7.1f viol/d %7.1f short %6.3fx geo %6.3fx sum %7.1f act/d", spec, p, x.ViolationsPerDay/n, x.ShortPerDay/n, math.Exp(x.OverOracle/n), hours[p]/hours["oracle"], x.ActionsPerDay/n)
	}
}
