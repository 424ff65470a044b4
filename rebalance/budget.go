package rebalance

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/cluster"
)

// FrontierPoint is one trade of bytes for balance: the best balance found for
// so many bytes.
type FrontierPoint struct {
	Bytes     cluster.Bytes `json:"bytesToMove"`
	Imbalance float64       `json:"imbalancePoints"`
}

// priceGrid are the byte prices, relative to the one asked, that a budget's
// plan is sought at. A plan is found for each in turn, whatever the budget, and
// the best one within the budget is taken: so a larger budget chooses from
// more, and more bytes never make the balance worse.
var priceGrid = []float64{2000, 1000, 600, 400, 250, 160, 100, 64, 45, 32, 22, 16, 11, 8, 5.6, 4, 2.8, 2, 1.4, 1, 0.6, 0.3, 0.1}

// limit is the budget in bytes.
func (sr *search) limit() float64 {
	b := sr.o.Budget
	if b.Relative {
		return sr.forced * (1 + b.PercentOver/100)
	}
	return max(float64(b.Bytes), sr.forced)
}

// budgeted plans the best balance for a number of bytes.
func (sr *search) budgeted(ctx context.Context) error {
	legal := sr.st.save()
	if err := sr.placeForced(ctx); err != nil {
		return err
	}
	limit := sr.limit()
	best, quality := sr.st.save(), sr.quality()
	sr.point()
	sr.restore(legal)
	for n, factor := range priceGrid {
		bytes, err := sr.branch(ctx, n, factor)
		if err != nil {
			return err
		}
		if bytes > limit {
			break
		}
		sr.point()
		if q := sr.quality(); q < quality {
			best, quality = sr.st.save(), q
		}
		sr.restore(sr.carrier)
		if sr.progress != nil {
			sr.progress(float64(n+1) / float64(len(priceGrid)))
		}
	}
	sr.restore(best)
	return sr.fill(ctx, limit, quality)
}

// branch goes on along the smooth road to a byte price, and from there to a
// sharp end, which is the present state afterwards; sr.carrier is where the
// road goes on.
func (sr *search) branch(ctx context.Context, n int, factor float64) (bytes float64, err error) {
	w := sr.w
	w.maxBytes = inf
	seed := uint64(seedBudget + seedStep*n)
	sweep := func(price, sharp float64) {
		if err == nil {
			w.g.bytePrice, w.g.sharpness = sr.price*price, sharp
			w.sweep(seed)
			seed++
			err = ctx.Err()
		}
	}
	sweep(factor, tuned.Smooth)
	sr.carrier = sr.st.save()
	sweep(factor*tuned.Undershoot, tuned.Smooth)
	for sharp := tuned.Smooth; sharp < branchSharp; sharp *= tuned.Sharpen {
		sweep(factor*tuned.Undershoot, sharp)
	}
	for _, end := range branchEnds {
		sweep(factor*end.price, end.sharp)
	}
	sr.note(fmt.Sprintf("branch %.2g", factor))
	return sr.st.bytes, err
}

// fill spends what is left of the budget where it gains anything.
func (sr *search) fill(ctx context.Context, limit, quality float64) error {
	w := sr.w
	before := sr.st.save()
	w.maxBytes = limit
	for n, s := range fillPaces {
		w.g.bytePrice, w.g.sharpness = sr.price*s.price, s.sharp
		w.sweep(uint64(seedFill + n))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if sr.quality() >= quality {
		sr.restore(before)
	}
	sr.point()
	return nil
}

// point adds the present state to the frontier.
func (sr *search) point() {
	sr.frontier = append(sr.frontier, FrontierPoint{
		Bytes:     cluster.Bytes(sr.st.bytes),
		Imbalance: sr.st.imbalancePoints(sr.st.load),
	})
}
