package decision

import (
	"encoding/json"
	"time"
)

// Horizon is how far the size looks ahead.
func (d Decision) Horizon() time.Duration { return Span(d.HorizonSeconds) }

// LeadTime is how far ahead the quantiles are the highest of.
func (f ForecastSummary) LeadTime() time.Duration { return Span(f.LeadTimeSeconds) }

// Span is a number of seconds as a duration.
func Span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// UnmarshalJSON reads a decision of any version.
func (d *Decision) UnmarshalJSON(text []byte) error {
	type plain Decision
	former := struct {
		*plain
		Horizon time.Duration `json:"horizonNanoseconds"`
	}{plain: (*plain)(d)}
	if err := json.Unmarshal(text, &former); err != nil {
		return err
	}
	if former.Horizon != 0 {
		d.HorizonSeconds = former.Horizon.Seconds()
	}
	return nil
}

// UnmarshalJSON reads a summary of a decision of any version.
func (f *ForecastSummary) UnmarshalJSON(text []byte) error {
	type plain ForecastSummary
	former := struct {
		*plain
		LeadTime time.Duration `json:"leadTimeNanoseconds"`
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(text, &former); err != nil {
		return err
	}
	if former.LeadTime != 0 {
		f.LeadTimeSeconds = former.LeadTime.Seconds()
	}
	return nil
}
