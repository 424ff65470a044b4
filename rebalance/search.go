package rebalance

import (
	"context"
	"fmt"
)

// search is one plan in the making: forced moves first, then sweeps at a byte
// price that falls to what the options ask, so that the moves that gain most
// for their bytes are made first.
type search struct {
	ctx      context.Context
	o        Options
	st       *state
	w        *sweeper
	stuck    []int // partitions that break a rule and cannot be mended
	forced   float64
	progress func(float64)
	price    float64 // per byte
}

func newSearch(ctx context.Context, st *state, o Options, progress func(float64)) *search {
	sr := &search{ctx: ctx, o: o, st: st, w: newSweeper(newSurrogate(st)), progress: progress}
	price := o.BytePrice
	if price <= 0 {
		price = DefaultBytePrice
	}
	if st.problem.bytes > 0 {
		sr.price = price / st.problem.bytes
	}
	if st.np > 0 {
		sr.w.leadPrice = leaderPrice / float64(st.np)
	}
	return sr
}

var debug bool

func (sr *search) note(what string) {
	if debug {
		fmt.Printf("%-12s bytes %.4f imb %.3f lead %d ev %d K %.0f obj %.4f\n", what, (sr.st.bytes-sr.forced)/sr.st.problem.bytes, sr.st.imbalancePoints(sr.st.load), sr.st.leaderOnly, sr.w.evaluations, sr.w.sharpness, sr.st.imbalancePoints(sr.st.load)+(sr.st.bytes-sr.forced)*sr.price+float64(sr.st.leaderOnly)*sr.w.leadPrice)
	}
}

func (sr *search) run() error {
	w := sr.w
	w.sharpness = 20
	w.bytePrice = sr.price
	sr.stuck = w.legalise()
	sr.forced = sr.st.bytes
	factors := []float64{16, 8, 5.6, 4, 2.8, 2, 1.4, 1, 1, 1}
	sharp := sharp0
	for n, f := range factors {
		if err := sr.ctx.Err(); err != nil {
			return err
		}
		w.sharpness = sharp
		w.bytePrice = sr.price * f
		w.sweep(uint64(n * 8))
		sr.note(fmt.Sprint(f))
	}
	for n := range 30 {
		if err := sr.ctx.Err(); err != nil {
			return err
		}
		w.bytePrice = sr.price
		w.sharpness = sharp
		w.sweep(uint64(1000 + n))
		sr.note("final")
		sharp = min(1000, sharp*1.2)
	}
	return nil
}

var sharp0 = 5.0
