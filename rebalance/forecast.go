package rebalance

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Forecast is what topics will carry over a horizon, relative to the snapshot.
// The horizon is cut into blocks; in each, the highest predicted value counts,
// and brokers are evened out in every block, so that the worst hour is even
// and not only the mean.
type Forecast struct {
	Blocks []ForecastBlock `json:"blocks"`
}

// ForecastBlock is one stretch of the horizon. Multiplier maps a topic to its
// rate over the snapshot's; "*" stands for topics that are not named, and one
// that neither names stays as it is.
type ForecastBlock struct {
	Label      string             `json:"label"`
	Multiplier map[string]float64 `json:"-"`
}

// forecastBlocks is how many blocks a horizon is cut into: night, morning,
// afternoon and evening of a day. More cost as much time each. A judgement.
const forecastBlocks = 4

// maxForecastRows bounds a forecast file.
const maxForecastRows = 10_000_000

// of is a topic's multiplier.
func (b ForecastBlock) of(topic string) float64 {
	if m, ok := b.Multiplier[topic]; ok {
		return m
	}
	if m, ok := b.Multiplier["*"]; ok {
		return m
	}
	return 1
}

// scaleLoad is a load at a multiplier of its rates. What is on disk stays.
func scaleLoad(l cluster.Load, m float64) cluster.Load {
	l.BytesInPerSecond *= cluster.BytesPerSecond(m)
	l.BytesOutPerSecond *= cluster.BytesPerSecond(m)
	l.FollowerBytesOutPerSecond *= cluster.BytesPerSecond(m)
	l.MessagesInPerSecond *= cluster.MessagesPerSecond(m)
	l.LeaderCPUCores *= cluster.Cores(m)
	l.FollowerCPUCores *= cluster.Cores(m)
	return l
}

// ReadForecast reads a forecast of topics' rates: either predictions, with the
// header column,origin,time,quantile,value, where a column is a topic (or "*",
// the whole cluster) and a value the bytes produced per second, of which the
// latest origin and the nearest quantile count; or topic,hour,multiplier, with
// hours of the day from 0 to 23.
func ReadForecast(r io.Reader, s cluster.Snapshot, quantile float64) (Forecast, error) {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	header, err := c.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty; want the header column,origin,time,quantile,value or topic,hour,multiplier")
		}
		return Forecast{}, fmt.Errorf("reading forecast: %w", err)
	}
	header = slices.Clone(header)
	var o Forecast
	switch {
	case slices.Equal(header, []string{"column", "origin", "time", "quantile", "value"}):
		o, err = readPredictions(c, s, quantile)
	case slices.Equal(header, []string{"topic", "hour", "multiplier"}):
		o, err = readMultipliers(c)
	default:
		err = fmt.Errorf("line 1: the header is %q; want column,origin,time,quantile,value or topic,hour,multiplier", header)
	}
	if err != nil {
		return Forecast{}, fmt.Errorf("reading forecast: %w", err)
	}
	return o, nil
}

// rows calls row for every record, with its line number.
func rows(c *csv.Reader, row func(line int, f []string) error) error {
	for n := 0; ; n++ {
		f, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n >= maxForecastRows {
			return fmt.Errorf("more than %d rows", maxForecastRows)
		}
		line, _ := c.FieldPos(0)
		if err := row(line, f); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func amount(name, text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0) || v > cluster.MaxQuantity {
		return 0, fmt.Errorf("%s: %q is not a number of zero or above", name, text)
	}
	return v, nil
}

// readMultipliers reads topic,hour,multiplier; a block is a quarter of a day.
func readMultipliers(c *csv.Reader) (Forecast, error) {
	o := newForecast(func(k int) string {
		return fmt.Sprintf("%02d:00–%02d:00", k*24/forecastBlocks, (k+1)*24/forecastBlocks)
	})
	err := rows(c, func(_ int, f []string) error {
		hour, err := strconv.Atoi(f[1])
		if err != nil || hour < 0 || hour > 23 {
			return fmt.Errorf("hour: %q is not between 0 and 23", f[1])
		}
		m, err := amount("multiplier", f[2])
		if err != nil {
			return err
		}
		b := o.Blocks[hour*forecastBlocks/24]
		b.Multiplier[f[0]] = max(b.Multiplier[f[0]], m)
		return nil
	})
	return o, err
}

func newForecast(label func(k int) string) Forecast {
	o := Forecast{Blocks: make([]ForecastBlock, forecastBlocks)}
	for k := range o.Blocks {
		o.Blocks[k] = ForecastBlock{Label: label(k), Multiplier: map[string]float64{}}
	}
	return o
}

// prediction is one row that counts so far.
type prediction struct {
	topic    string
	when     time.Time
	distance float64 // of its quantile from the one asked
	value    float64
}

// readPredictions keeps the latest origin and the nearest quantile per topic
// and time, and relates them to what the snapshot says.
func readPredictions(c *csv.Reader, s cluster.Snapshot, quantile float64) (Forecast, error) {
	var latest time.Time
	var kept []prediction
	err := rows(c, func(_ int, f []string) error {
		origin, err := parseWhen("origin", f[1])
		if err != nil {
			return err
		}
		when, err := parseWhen("time", f[2])
		if err != nil {
			return err
		}
		q, err := amount("quantile", f[3])
		if err != nil || q > 1 {
			return fmt.Errorf("quantile: %q is not between 0 and 1", f[3])
		}
		v, err := amount("value", f[4])
		if err != nil {
			return err
		}
		if origin.After(latest) {
			latest, kept = origin, kept[:0]
		}
		if origin.Equal(latest) {
			kept = append(kept, prediction{f[0], when, math.Abs(q - quantile), v})
		}
		return nil
	})
	if err != nil || len(kept) == 0 {
		if err == nil {
			err = errors.New("there is no row")
		}
		return Forecast{}, err
	}
	return relate(kept, s), nil
}

func parseWhen(name, text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%s: %q is neither RFC 3339 nor Unix seconds", name, text)
}

// relate cuts the horizon into blocks and divides by the snapshot's rates.
func relate(kept []prediction, s cluster.Snapshot) Forecast {
	first, last := kept[0].when, kept[0].when
	nearest := map[string]float64{}
	for _, p := range kept {
		if p.when.Before(first) {
			first = p.when
		}
		if p.when.After(last) {
			last = p.when
		}
		if d, ok := nearest[p.topic]; !ok || p.distance < d {
			nearest[p.topic] = p.distance
		}
	}
	now := map[string]float64{}
	for _, t := range s.Topics {
		for _, q := range t.Partitions {
			now[t.Name] += float64(q.Load.BytesInPerSecond)
			now["*"] += float64(q.Load.BytesInPerSecond)
		}
	}
	span := max(1, last.Sub(first))
	o := newForecast(func(k int) string {
		return first.Add(span / forecastBlocks * time.Duration(k)).UTC().Format(time.RFC3339)
	})
	for _, p := range kept {
		if p.distance > nearest[p.topic] || now[p.topic] <= 0 {
			continue
		}
		k := int(float64(p.when.Sub(first)) / float64(span) * forecastBlocks)
		b := o.Blocks[min(max(k, 0), forecastBlocks-1)]
		b.Multiplier[p.topic] = max(b.Multiplier[p.topic], p.value/now[p.topic])
	}
	return o
}
