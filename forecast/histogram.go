package forecast

import "math"

// histogram is a discounted distribution of errors in a fixed, small space.
// Bins are even in asinh(x / unit): fine around zero, wide in the tails. The
// unit is the mean size of the first errors.
type histogram struct {
	bin    [bins]float32
	total  float64
	weight float64 // of the next sample; grows, so that older ones fade
	growth float64
	unit   float64
	first  []float64 // until the unit is known
}

func (h *histogram) add(x float64) {
	if h.unit == 0 {
		h.first = append(h.first, x)
		if len(h.first) < firstN {
			return
		}
		sum := 0.0
		for _, v := range h.first {
			sum += math.Abs(v)
		}
		h.unit = sum/firstN + 1e-12
		h.weight = 1
		first := h.first
		h.first = nil
		for _, v := range first {
			h.put(v)
		}
		return
	}
	h.put(x)
}

func (h *histogram) put(x float64) {
	i := int((math.Asinh(x/h.unit) + binReach) / binWidth)
	h.bin[min(max(i, 0), bins-1)] += float32(h.weight)
	h.total += h.weight
	h.weight *= h.growth
	if h.weight > rescaleAt {
		for i := range h.bin {
			h.bin[i] /= rescaleAt
		}
		h.total /= rescaleAt
		h.weight /= rescaleAt
	}
}

// quantile is the q quantile with the finite-sample correction of split
// conformal prediction: one more sample than seen, lying beyond q.
func (h *histogram) quantile(q float64) float64 {
	if h.unit == 0 || h.total == 0 {
		return 0
	}
	// The effective number of samples bounds how far into the tail one can look.
	n := h.total / h.weight
	want := q * (n + 1) / n * h.total
	if q < 0.5 {
		want = h.total - (1-q)*(n+1)/n*h.total
	}
	sum := 0.0
	lo, hi := -1, -1
	for i, b := range h.bin {
		if b == 0 {
			continue
		}
		if lo < 0 {
			lo = i
		}
		hi = i
		if sum+float64(b) >= want {
			u := max(0, want-sum) / float64(b)
			return h.edge(float64(i) + u)
		}
		sum += float64(b)
	}
	if q < 0.5 && want <= 0 {
		return h.edge(float64(lo))
	}
	return h.edge(float64(hi + 1))
}

func (h *histogram) edge(i float64) float64 {
	return h.unit * math.Sinh(i*binWidth-binReach)
}
