package parts

import (
	"cmp"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/capacity/schedule"
)

// What a schedule weighs where the policy does not say, in hours of a broker.
// Judgements: a change is looked after by somebody for a while, and what is moved
// takes bandwidth, time and risk.
const (
	changeHours        = 8.0
	movedTerabyteHours = 4
	shortHours         = 400.0
)

// brokerHours is the unit of a schedule where no price of a broker is known.
const brokerHours = "broker-hours"

// terabyte and gigabyte are what moves are priced by.
const (
	terabyte = 1e12
	gigabyte = 1e9
)

// Weigh is what a schedule weighs in a cluster of so many zones, and the unit of
// it: the policy's currency, or broker-hours where no price of a broker is known.
//
// What is short is dear: a broker that is not there at the peak is felt
// by whoever produces, and the newsvendor's 1/(1−q) of a broker's price (Arrow,
// Harris and Marschak, 1951) would leave peaks of an hour uncovered.
func (p Parts) Weigh(zones int) (w schedule.Prices, unit string) {
	prices, unit := p.Prices, p.cost.Currency
	if prices.BrokerHour <= 0 {
		prices, unit = capacity.Prices{BrokerHour: 1}, brokerHours
	}
	hour := prices.BrokerHour
	w = schedule.Prices{
		BrokerHour: hour,
		Change:     cmp.Or(p.cost.Change, changeHours*hour),
		ShortHour:  max(cmp.Or(p.cost.ShortBrokerHour, shortHours*hour), hour), // or none would be worth having
		Byte:       movedTerabyteHours * hour / terabyte,
	}
	if p.cost.MovedGigabyte > 0 {
		w.Byte = p.cost.MovedGigabyte / gigabyte
	}
	w.Byte += prices.Moved(terabyte, zones) / terabyte
	return w, unit
}
