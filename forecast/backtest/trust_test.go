package backtest

import (
	"context"
	"testing"
	"time"

	"github.com/tidetable/tidetable/forecast"
)

// The load of crane_10 and of twitter_aapl cannot be foretold; that of the
// others can, however noisy.
func TestSharedTracesAreTrustedWhereTheForecastIsWorthIt(t *testing.T) {
	for name, want := range map[string]bool{
		"crane_10": false, "nab_twitter_volume_aapl": false, "crane_4": false,
		"crane_0": true, "crane_8": true, "crane_12": true, "crane_14": true, "worldcup98": true,
	} {
		s := readValues(t, name+".csv")
		wrong, origins, why := 0, 0, ""
		_, err := Run(context.Background(), forecast.New(forecast.Options{}), s, Options{Every: 6 * time.Hour, Ahead: time.Hour},
			func(f Forecast) error {
				origins++
				if f.Trusted != want {
					wrong++
					why = f.Why
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if wrong > 0 {
			t.Errorf("%s: trusted is not %v at %d of %d origins: %s", name, want, wrong, origins, why)
		}
	}
}
