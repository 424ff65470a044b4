package controller

import (
	"time"
)

const (
	// silentShare is the part of the least that a trusted forecast expects below
	// which a load is silent: a rhythm has lulls, and they are in the forecast.
	silentShare = 0.1
	// doubtFor is how long a load that is not as anything else says is taken for a
	// fault: after a day it is what there is.
	doubtFor = 24 * time.Hour
	// keptForecast is how old the last good forecast may become while no other can
	// be made.
	keptForecast = 6 * time.Hour
	// contradicted is by how much a reading must exceed what Kafka's own offsets say
	// for that to refute it, however often it is read.
	contradicted = 1.5
)

// doubt is a reading that is taken for a fault since a time.
type doubt struct {
	since time.Time
	over  bool // for too long: it is believed until it is as expected again
}

// doubted keeps account of a reading that is odd, or is not, and tells since when
// it is doubted; the zero time says that it is believed. What was measured from
// then on is no history to forecast by.
func (fs *forecasts) doubted(key string, now time.Time, odd bool) time.Time {
	d := fs.doubts[key]
	switch {
	case !odd:
		delete(fs.doubts, key)
		return time.Time{}
	case d == nil:
		d = &doubt{since: now}
		fs.doubts[key] = d
	}
	if d.over = d.over || now.Sub(d.since) >= doubtFor; d.over {
		return time.Time{}
	}
	return d.since
}

// silent tells whether a reading is far below the least that is expected of it.
func (p *prediction) silent(now time.Time, reading float64) bool {
	if p == nil || p.err != nil || !p.p.Trusted {
		return false
	}
	for _, pt := range p.p.Points {
		if !pt.Time.Before(now) {
			return reading < silentShare*pt.Values[0]
		}
	}
	return false
}

// refuted tells whether a reading is far above what Kafka's own offsets say.
func refuted(reading, byOffsets float64) bool {
	return byOffsets > 0 && reading > contradicted*byOffsets
}
