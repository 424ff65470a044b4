package forecast

import "time"

// What the forecaster takes for given, but for the constants of seasons.go,
// events.go and trust.go, which stand beside what they decide. Where nothing
// else is said, a value was set by judgement and `make docs-forecast` on the
// shared traces is what holds it; docs/formulas.md has all of them.

// Parts of a day.
const (
	hoursPerDay        = 24
	halfHoursPerDay    = 48
	quarterHoursPerDay = 96
	tenMinutesPerDay   = 144
)

// prior is how much an expert is believed before it was tried: a factor on its
// weight.
type prior float64

const (
	evenPrior prior = 1
	// weekPrior favours experts that know the week: people's load has one, and
	// a short history can show it only once.
	weekPrior prior = 1.5
)

// The ensemble (core.go).
const (
	// originsPerDay is about how often forecasts are issued to be scored.
	originsPerDay = 96
	// errorMemoryDays and bandMemoryDays are how long errors count.
	errorMemoryDays = 4
	bandMemoryDays  = 3
	// meanPeriods is how many seasons are averaged, and meanNeed how many there
	// must be.
	meanPeriods = 4
	meanNeed    = 2
	// leastSeen is how many outcomes, discounted, it takes before intervals are
	// calibrated.
	leastSeen = 10
	// dailyFits is on how many days the direct models are solved every day; then
	// every second, or for days of fewer samples once in samplesPerFit of them.
	dailyFits     = 8
	samplesPerFit = 192
	// tallest bounds quantiles, in units of the highest value in memory: past
	// that, nothing is known.
	tallest = 4
	// tinyError keeps the ratio of two errors finite where both are zero.
	tinyError = 1e-9
	// largestLoad is past what can be squared and summed.
	largestLoad = 1e120
)

// Holt-Winters (holtwinters.go).
var (
	// slowSmoothing follows a level that stays, with errors that fade within
	// hours; fastSmoothing one that wanders.
	slowSmoothing = smoothing{alpha: 0.01, gamma: 0.15, rho: 0.98}
	fastSmoothing = smoothing{alpha: 0.3, gamma: 0.15, rho: 0.3}
)

// smoothing are the weights of the newest error in the level and the seasons,
// and how much of it is left a step later.
type smoothing struct{ alpha, gamma, rho float64 }

const (
	// outlier is the innovation that is limited, in mean absolute innovations.
	outlier = 8
	// scaleRate is how fast the mean size of errors and rows is followed.
	scaleRate = 0.02
)

// The direct models (direct.go).
const (
	// dayPairs and weekPairs are the harmonics of the day and the week.
	dayPairs  = 3
	weekPairs = 2
	// refDays, refWeeks and refWeekShare make the seasonal reference: the mean of
	// so many days and of so many weeks, the weeks' share in it.
	refDays      = 5
	refWeeks     = 4
	refWeekShare = 0.5
	// forgetHalfLifeDays is the half-life of a row.
	forgetHalfLifeDays = 14
	// directRidge is the ridge penalty, in mean squares of a column.
	directRidge = 0.002
	// minRows is the weight of rows that a knot is solved with at least.
	minRows = 20
	// mostDeviation is the factor on the reference that still counts in full, of
	// logarithms; levelLimit the same of values, in daily levels, and levelFloor
	// what is added to these, in means of the series.
	mostDeviation = 10
	levelLimit    = 4
	levelFloor    = 0.1
	// residualLimit and rowLimit bound what a residual, and a row's mean square,
	// add to their means, in means; leverageLimit is the mean square from which a
	// row weighs less.
	residualLimit = 5
	rowLimit      = 10
	leverageLimit = 30
	// highestLog is where a forecast's exponential stops.
	highestLog = 60
	// waveTables bounds the tables of sines that are kept.
	waveTables = 64
)

// Knots (knots.go).
const (
	// knotGrowth is the factor between knots, knotGap the least before the last
	// one of the first day, and lastKnotEighths where that is, in eighths of a day.
	knotGrowth      = 1.8
	knotGap         = 1.2
	lastKnotEighths = 7
)

// farKnots are the knots past the first day, in half days: none just before a
// whole week, where yesterday is the same weekday and right for the wrong reason.
var farKnots = []int{3, 7, 11, 17}

// The history and its cleaning (history.go, anomaly.go, filler.go).
const (
	// keptDays and keptWeeks of samples are kept, and keptSlack-ths more before
	// any are dropped.
	keptDays  = 9
	keptWeeks = 4
	keptSlack = 64
	// logOffset keeps logarithms of small and zero loads finite, and offsetShare
	// ratios and roots, as shares of the series' mean.
	logOffset   = 0.05
	offsetShare = 0.02
	// highestAhead bounds a forecast, in highest values in memory.
	highestAhead = 2
	// spikeFactor is how far above its surroundings a sample must stand, and
	// spikeFloor the least that these are taken for, as a share of the mean.
	spikeFactor = 4
	spikeFloor  = 0.1
	// clippedTo is what a spike is cut to, in its highest neighbours.
	clippedTo = 1.5
	// spikeKept bounds what is remembered of clipped samples.
	spikeKept = 256
	// gapFadesPerDay is how often a day the difference to the last season, with
	// which a gap is filled, fades by e: every six hours.
	gapFadesPerDay = 4
)

// Conformal calibration (conformal.go, histogram.go).
const (
	// phases are the parts of a day whose errors are followed apart; tinyPhase is
	// the scale below which nothing is known yet, and phaseShare how much of a
	// phase's own error counts beside the mean of all.
	phases     = 24
	tinyPhase  = 1e-9
	phaseShare = 0.8
	// lowPart and highPart are the levels between which quantiles are the middle.
	lowPart  = 0.3
	highPart = 0.7
	// warmup is how many outcomes come before the levels adapt. The calibration
	// is renewed at every outcome up to renewAlways, and then at every
	// renewEvery-th.
	warmup      = 12
	renewEvery  = 12
	renewAlways = 64
	// leastMemory is the least number of outcomes that a distribution keeps.
	leastMemory = 20
	// levelRate is the step of a level after an outcome, in logits: the γ of
	// adaptive conformal inference. A level is lowered by mostTighter at most and
	// raised by mostWider.
	levelRate   = 0.1
	mostTighter = 0.7
	mostWider   = 1
	// hoursMemoryDays is how long the errors of an hour count, and hoursRenewed
	// once in how many of them all their quantiles are read anew.
	hoursMemoryDays = 3
	hoursRenewed    = 96
	// tinyUnit is a mean error, in mean loads, that is too small to measure by.
	tinyUnit = 1e-4
	// lossDecay is the discount of a pinball loss per outcome: about 1,400 count.
	lossDecay = 0.9993
	tinyLoss  = 1e-12
	// errorRate and phaseRate are how fast the mean error, and a phase's, follow.
	errorRate = 0.003
	phaseRate = 0.06
	// coverageMemory is how many outcomes the coverage that is shown counts.
	coverageMemory = 1000
	// bins of a histogram reach to asinh(500), about binReach, to either side;
	// the unit is the mean size of the firstN first errors. Weights that grew to
	// rescaleAt are divided by it.
	bins      = 72
	binReach  = 7.0
	binWidth  = 2 * binReach / bins
	firstN    = 12
	rescaleAt = 1e6
)

// States (state.go, engine.go).
const (
	// minPoints is the least number of samples that is looked at; it is looked
	// again whenever an earlyLooks-th more have come.
	minPoints  = 32
	earlyLooks = 8
	// reviewsPerDay is how often a day it is looked whether a series outgrew its
	// model: by a longer season, or by this factor in scale.
	reviewsPerDay = 4
	rescaleFactor = 8
	// comparedTail is how many of its last values a series is known again by.
	comparedTail = 16
	// maxRemembered bounds the states an Engine keeps; the longest unused goes.
	maxRemembered = 4096
	// maxSteps bounds a forecast: a year of 5-minute steps.
	maxSteps = 366 * 288
	// defaultAhead is the horizon that intervals are calibrated for.
	defaultAhead = 24 * time.Hour
)
