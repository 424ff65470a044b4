package rebalance

// tuning is what the search is tuned by. None of it changes what a plan is
// worth or what is legal: only how near the search comes to the best plan and
// how many changes it prices for that. `make rebalance-tuning` halves and
// doubles each on clusters of four kinds and prints what becomes of both; the
// table is in docs/rebalancing.md. Sharpness is K of the surrogate, without a
// unit; prices are factors of the price of a byte that was asked for.
type tuning struct {
	// The road of a search: see search.descend.
	Smooth      float64 // sharpness at which single moves can descend
	Sharpen     float64 // factor from one sweep to the next
	SharpenFast float64 // the same on the short road of large clusters
	SharpEnough float64 // sharpness at which the last, true-priced sweeps begin
	Sharpest    float64 // sharpness beyond which nothing is told apart any more
	Undershoot  float64 // price while the surrogate sharpens: changes that look too dear alone become parts of a better whole
	TruePriced  float64 // sweeps at the end, at the price asked for

	// Whether to search at all: see search.nothingToGain.
	ProbeSharp    float64 // sharpness of the probe
	ProbeShare    float64 // one partition in so many is tried
	ProbeGain     float64 // a probe that finds less than the least gain over this, and over ProbeShare, ends the search
	ClearlyUneven float64 // points from which on nobody probes

	// Hot spots in the surrogate: see surrogate.fit.
	HotPrice     float64 // points for a broker at twice its ideal: high enough to move any byte for
	HotSharpness float64 // sharpness at which that price is asked in full; it comes in gradually, as it blocks the way for others
	Overload     float64 // points for a broker at twice its capacity: dearer than any balance

	// The repair of a drifted cluster: see search.repair.
	Repairable float64 // points of imbalance up to which that is tried first
	RepairWork float64 // changes priced per partition

	// Where a replica may go in a large zone: see sweeper.shortlist.
	ShortZone float64 // brokers; smaller zones are looked at whole
	ShortTurn float64 // brokers looked at in turn, beside the cheapest ones

	// What a sweep looks at, and how often it is told what has changed.
	MaxIdle      float64 // sweeps for which a partition without gain rests, at most
	ChunkMost    float64 // partitions looked at side by side, at most
	ChunkShare   float64 // one in so many partitions is in a chunk
	RefreshLeast float64 // changes after which the surrogate is fitted anew, at least
	RefreshShare float64 // brokers over this is how many changes that are otherwise

	// Small clusters: see annealer.
	AnnealWork     float64 // brokers looked at, in all
	AnnealMost     float64 // proposals, at most
	AnnealReplicas float64 // of the largest cluster that is annealed
	AnnealRounds   float64 // times that the threshold falls to nothing
}

var tuned = tuning{
	Smooth: 0.7, Sharpen: 2.2, SharpenFast: 3.2, SharpEnough: 150, Sharpest: 1000, Undershoot: 0.6, TruePriced: 3,
	ProbeSharp: 5, ProbeShare: 3, ProbeGain: 3, ClearlyUneven: 25,
	HotPrice: 8000, HotSharpness: 50, Overload: 1e4,
	Repairable: 7, RepairWork: 4,
	ShortZone: 48, ShortTurn: 4,
	MaxIdle: 4, ChunkMost: 128, ChunkShare: 256, RefreshLeast: 20, RefreshShare: 2,
	AnnealWork: 6_000_000, AnnealMost: 200_000, AnnealReplicas: 4_000, AnnealRounds: 4,
}

// The price of a byte falls along these steps, as factors of what was asked
// for: first what gains most for its bytes, and last below the price.
var (
	priceSteps = []float64{8, 4, 2, 1.4, 1, 0.6}
	// A large cluster comes as far in fewer steps: it has more replicas of every
	// size, and each step finds a change for more of them.
	fewerSteps = []float64{8, 3, 1.4, 0.6}
)

// pace is one sweep's price of a byte, as a factor of what was asked for, and
// its sharpness.
type pace struct{ price, sharp float64 }

var (
	// reheatPaces go back to a smoother surrogate and forth again.
	reheatPaces = []pace{{0.6, 3}, {0.6, 10}, {0.6, 40}, {1, 100}, {1, 300}, {1, 1000}}
	// repairLeaders are the sweeps of a repair that move leaders only;
	// repairMoves come dear at first, so that those that gain most for their
	// bytes are made.
	repairLeaders = []pace{{1, 5}, {1, 60}}
	repairMoves   = []pace{{30, 150}, {10, 150}, {4, 150}, {2, 150}, {1, 150}}
	// fillPaces spend what is left of a budget, where bytes cost nothing.
	fillPaces = []pace{{0, 30}, {0, 100}, {0, 300}, {0, 1000}}
	// branchEnds are the last sweeps of each price of a budget's grid.
	branchEnds = []pace{{1, 300}, {1, 300}, {1, 300}}
)

const (
	// branchSharp is the sharpness at which the last sweeps of a budget's price
	// begin: a little sharper than without one, as there is no annealing after.
	branchSharp = 200
	// forcedSmooth and forcedSharp are where the search for the places of what
	// must move begins and ends: there is nothing else to find, so it may begin
	// smoother; forcedSweeps are those at each sharpness.
	forcedSmooth = 0.25
	forcedSharp  = 400
	forcedSweeps = 2
	// prohibitive is a price of a byte at which nothing moves that need not.
	prohibitive = 1e6
	// leaderSharpenings is how many sweeps even out what leaders cost, when
	// nothing else may move.
	leaderSharpenings = 7
)

// The seeds of sweeps: far enough apart that no two sweeps of one search visit
// partitions in the same order. That is all there is to their values.
const (
	seedForced  = 2_000
	seedBudget  = 3_000
	seedLeaders = 5_000
	seedFill    = 9_000
	seedRepair  = 15_000
	seedReheat  = 20_000
	seedRoad    = 1_000_000
	seedStep    = 100 // between rounds of one phase
)

// noGain is the gain in points below which two placements are as good as each
// other: less is rounding.
const noGain = 1e-9
