package shareddata

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
	"time"
)

// Trace reads the first column of a trace in the shared folder, whose grid is
// regular but for holes: those, and values that are missing, are NaN.
func Trace(t testing.TB, elem ...string) (start time.Time, step time.Duration, values []float64) {
	t.Helper()
	f, err := os.Open(Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[0])
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			start = at
		case 1:
			step = at.Sub(start)
		}
		for i > 0 && len(values) < int(at.Sub(start)/step) {
			values = append(values, math.NaN())
		}
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			v = math.NaN()
		}
		values = append(values, v)
	}
	return start, step, values
}
