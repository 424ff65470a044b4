package forecast

// Candidates are the names of the models the ensemble is made of; nil while
// the series is too short.
func (s *State) Candidates() []string {
	if s.core == nil {
		return nil
	}
	names := make([]string, len(s.core.experts))
	for i, e := range s.core.experts {
		names[i] = e.name()
	}
	return names
}

// PredictCandidates is what each candidate by itself says for every step up to
// ahead, in the order of Candidates; nil for one that has seen too little.
func (s *State) PredictCandidates(ahead int) [][]float64 {
	if s.core == nil {
		return nil
	}
	steps := s.aheads(ahead)
	out := make([][]float64, len(s.core.experts))
	for i, e := range s.core.experts {
		if !e.ready() {
			continue
		}
		out[i] = make([]float64, ahead)
		e.predict(s.core.h, steps, out[i])
		for k := range out[i] {
			out[i][k] = max(0, out[i][k]*s.core.scale)
		}
	}
	return out
}
