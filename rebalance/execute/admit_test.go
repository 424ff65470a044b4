package execute

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

func open() limits {
	return limits{
		allowance: func(int) cluster.Bytes { return 100 },
		soon:      func(int) cluster.Bytes { return 10 },
		room:      func(int) cluster.Bytes { return 1e12 },
		carries:   func(int, Side, cluster.BytesPerSecond) bool { return true },
	}
}

func one(n, from, to int, left cluster.Bytes) copying {
	return copying{tp: TP{"t", n}, from: from, to: to, left: left}
}

func TestAdmitGivesTheReason(t *testing.T) {
	internal := one(1, 0, 1, 10)
	internal.internal = true
	for _, c := range []struct {
		name    string
		cands   []copying
		running []copying
		tune    func(*limits)
		want    int
		why     string
	}{
		{"room for all", []copying{one(1, 0, 1, 40), one(2, 0, 1, 40)}, nil, nil, 2, ""},
		{"the destination is full of copies", []copying{one(1, 0, 1, 60)}, []copying{one(9, 2, 1, 50)}, nil, 0, "broker 1 receives"},
		{"the source is full of copies", []copying{one(1, 0, 1, 60)}, []copying{one(9, 0, 2, 50)}, nil, 0, "broker 0 sends"},
		{"larger than the allowance, alone", []copying{one(1, 0, 1, 5000)}, nil, nil, 1, ""},
		{"larger than the allowance, beside what is done soon", []copying{one(1, 0, 1, 5000)}, []copying{one(9, 2, 1, 10)}, nil, 1, ""},
		{"larger than the allowance, beside what takes longer", []copying{one(1, 0, 1, 5000)}, []copying{one(9, 2, 1, 11)}, nil, 0,
			"broker 1 receives"},
		{"no space", []copying{one(1, 0, 1, 60)}, nil, func(l *limits) { l.room = func(int) cluster.Bytes { return 61 } }, 0, "needs"},
		{"space for one of two", []copying{one(1, 0, 1, 40), one(2, 3, 1, 40)}, nil,
			func(l *limits) { l.room = func(int) cluster.Bytes { return 60 } }, 1, "needs"},
		{"space unknown", []copying{one(1, 0, 1, 60)}, nil, func(l *limits) { l.room = func(int) cluster.Bytes { return -1 } }, 0, "unknown"},
		{"too much is produced", []copying{one(1, 0, 1, 60)}, nil, func(l *limits) {
			l.carries = func(b int, s Side, _ cluster.BytesPerSecond) bool { return s == LeaderSide }
		}, 0, "cannot catch up"},
		{"a request has an end", []copying{one(1, 0, 1, 1), one(2, 2, 3, 1)}, nil, func(l *limits) { l.max = 1 }, 1, "full at 1"},
		{"internal after the others", []copying{internal, one(2, 2, 3, 1)}, nil, nil, 1, "internal topics move last"},
		{"internal beside nothing", []copying{internal}, nil, nil, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := open()
			if c.tune != nil {
				c.tune(&l)
			}
			batch, held := admit(c.cands, c.running, nil, l)
			if len(batch) != c.want {
				t.Errorf("%d admitted, want %d", len(batch), c.want)
			}
			all := ""
			for _, why := range held {
				all += why
			}
			if !strings.Contains(all, c.why) || (c.why == "" && all != "") {
				t.Errorf("held because %q, want %q", all, c.why)
			}
		})
	}
}

func TestAdmitOrdersHealingFirstThenWorthThenTheBusiestBroker(t *testing.T) {
	heals, worth, busy, other := one(1, 0, 1, 10), one(2, 2, 3, 10), one(3, 4, 5, 10), one(4, 6, 7, 10)
	heals.heals = true
	worth.incoming = 1000
	later := []copying{one(3, 4, 5, 500)}
	batch, _ := admit([]copying{other, busy, worth, heals}, nil, later, open())
	for i, want := range []int{1, 2, 3, 4} {
		if batch[i].tp.Partition != want {
			t.Fatalf("place %d has %v, want partition %d", i, batch[i].tp, want)
		}
	}
}

// FuzzAdmitKeepsToEveryAllowance: whatever is asked, no broker has more in
// transit than its allowance, but for one replica that is larger, alone or
// beside what is done soon, and everything is either admitted or told why not.
func FuzzAdmitKeepsToEveryAllowance(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(seed, uint8(40))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var cands, running []copying
		for i := range int(n) {
			c := one(i, rng.IntN(6), rng.IntN(6), cluster.Bytes(rng.IntN(150)))
			c.incoming = cluster.BytesPerSecond(rng.IntN(10))
			c.internal = rng.IntN(5) == 0
			if rng.IntN(4) == 0 {
				running = append(running, c)
			} else {
				cands = append(cands, c)
			}
		}
		l := open()
		batch, held := admit(cands, running, nil, l)
		if len(batch)+len(held) != len(cands) {
			t.Fatalf("%d admitted and %d held of %d", len(batch), len(held), len(cands))
		}
		before, after := newLoads(running), newLoads(append(running, batch...))
		for b := range 6 {
			for _, d := range []struct{ was, is cluster.Bytes }{{before.in[b], after.in[b]}, {before.out[b], after.out[b]}} {
				if d.is > d.was && d.was > l.soon(b) && d.is > l.allowance(b) {
					t.Fatalf("broker %d went from %v to %v in transit", b, d.was, d.is)
				}
			}
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var cands []copying
	for i := range 100_000 {
		cands = append(cands, one(i, rng.IntN(1000), rng.IntN(1000), cluster.Bytes(rng.IntN(150))))
	}
	l := open()
	for b.Loop() {
		admit(cands, nil, nil, l)
	}
}
