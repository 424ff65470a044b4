package cluster

import "slices"

// Resource is what a broker has a limited amount of. Its text is the one
// spelling that people meet: in the policy, plans, decisions and tables.
type Resource string

// The resources of a broker.
const (
	CPU           Resource = "cpu"           // cores kept busy
	NetworkIn     Resource = "networkIn"     // bytes received a second, from clients and leaders
	NetworkOut    Resource = "networkOut"    // bytes sent a second, to clients and followers
	Disk          Resource = "disk"          // bytes stored
	DiskBandwidth Resource = "diskBandwidth" // bytes written and read a second
)

// Resources is every resource, in the order in which they are printed.
func Resources() []Resource { return []Resource{CPU, NetworkIn, NetworkOut, Disk, DiskBandwidth} }

// formerSpellings are those of documents written before a resource had one name
// everywhere. They are read, never written.
var formerSpellings = map[string]Resource{
	"network-in": NetworkIn, "nwIn": NetworkIn,
	"network-out": NetworkOut, "nwOut": NetworkOut,
	"storage":        Disk,
	"disk-bandwidth": DiskBandwidth,
}

// ResourceNamed is the resource of a name, former spellings included; false
// when there is none.
func ResourceNamed(name string) (Resource, bool) {
	if r, ok := formerSpellings[name]; ok {
		return r, true
	}
	r := Resource(name)
	return r, slices.Contains(Resources(), r)
}

// UnmarshalText reads a name, former spellings included. One that is no
// resource stays as it is: a newer writer may know more.
func (r *Resource) UnmarshalText(text []byte) error {
	*r, _ = ResourceNamed(string(text))
	return nil
}

// Of is how much of a resource there is, in its base unit; 0 is unknown.
func (c Capacity) Of(r Resource) float64 {
	switch r {
	case CPU:
		return float64(c.CPUCores)
	case NetworkIn:
		return float64(c.NetworkInBytesPerSecond)
	case NetworkOut:
		return float64(c.NetworkOutBytesPerSecond)
	case Disk:
		return float64(c.DiskBytes)
	case DiskBandwidth:
		return float64(c.DiskBytesPerSecond)
	}
	return 0
}

// Footprint is what something costs the brokers it lies on: one replica its
// broker, or all replicas of a broker or of a partition together.
type Footprint struct {
	CPU        Cores
	NetworkIn  BytesPerSecond
	NetworkOut BytesPerSecond
	Disk       Bytes
}

// Of is how much of a resource the footprint takes, in its base unit. What is
// received is written to disk.
func (f Footprint) Of(r Resource) float64 {
	switch r {
	case CPU:
		return float64(f.CPU)
	case NetworkIn, DiskBandwidth:
		return float64(f.NetworkIn)
	case NetworkOut:
		return float64(f.NetworkOut)
	case Disk:
		return float64(f.Disk)
	}
	return 0
}

// Plus is both together.
func (f Footprint) Plus(g Footprint) Footprint {
	return Footprint{f.CPU + g.CPU, f.NetworkIn + g.NetworkIn, f.NetworkOut + g.NetworkOut, f.Disk + g.Disk}
}

// orLess is the smaller of both, resource by resource; what is nothing does not
// count.
func (f Footprint) orLess(g Footprint) Footprint {
	return Footprint{lessButSome(f.CPU, g.CPU), lessButSome(f.NetworkIn, g.NetworkIn), lessButSome(f.NetworkOut, g.NetworkOut),
		lessButSome(f.Disk, g.Disk)}
}

func lessButSome[T ~float64](a, b T) T {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// sent is what all replicas of a partition send together: what is consumed, and one
// copy to each follower.
func (l Load) sent(rf int) BytesPerSecond {
	return l.BytesOutPerSecond + l.BytesInPerSecond*BytesPerSecond(max(0, rf-1))
}

// Leader is what the leader of a partition with rf replicas costs its broker:
// it receives what is produced, and sends out what is consumed and one copy to
// each follower, but for what followers send in its place.
func (l Load) Leader(rf int) Footprint {
	return Footprint{
		CPU:        l.LeaderCPUCores,
		NetworkIn:  l.BytesInPerSecond,
		NetworkOut: max(0, l.sent(rf)-l.FollowerBytesOutPerSecond*BytesPerSecond(max(0, rf-1))),
		Disk:       l.SizeBytes,
	}
}

// Follower is what a follower costs its broker: it receives what is produced
// and, as long as nobody fetches from followers, sends nothing.
func (l Load) Follower() Footprint {
	return Footprint{CPU: l.FollowerCPUCores, NetworkIn: l.BytesInPerSecond, NetworkOut: l.FollowerBytesOutPerSecond, Disk: l.SizeBytes}
}

// Replicated is what a partition with rf replicas costs all its brokers
// together: its leader and rf − 1 followers.
func (l Load) Replicated(rf int) Footprint {
	f := l.Leader(rf)
	f.CPU += l.FollowerCPUCores * Cores(max(0, rf-1))
	f.NetworkIn *= BytesPerSecond(rf)
	f.NetworkOut = l.sent(rf)
	f.Disk *= Bytes(rf)
	return f
}

// On is what a replica on the given broker costs it.
func (p *Partition) On(broker int) Footprint {
	if broker == p.Leader {
		return p.Load.Leader(len(p.Replicas))
	}
	return p.Load.Follower()
}
