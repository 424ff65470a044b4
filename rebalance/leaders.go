package rebalance

// leadersOnly moves leaderships and no data.
func (sr *search) leadersOnly() error { return nil }
