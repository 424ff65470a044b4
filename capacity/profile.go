package capacity

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/strictyaml"
)

// Shape is a kind of machine a broker can run on.
type Shape struct {
	Name                  string                 `yaml:"name" json:"name"`
	CPUCores              cluster.Cores          `yaml:"cpuCores" json:"cpuCores"`
	MemoryBytes           cluster.Bytes          `yaml:"memoryBytes" json:"memoryBytes"`
	NetworkBytesPerSecond cluster.BytesPerSecond `yaml:"networkBytesPerSecond" json:"networkBytesPerSecond"` // sustained, each direction
	DiskBytes             cluster.Bytes          `yaml:"diskBytes" json:"diskBytes"`
	DiskBytesPerSecond    cluster.BytesPerSecond `yaml:"diskBytesPerSecond" json:"diskBytesPerSecond"`
	// StorageNetworkBytesPerSecond is the link to network-attached disks; 0 for local ones.
	StorageNetworkBytesPerSecond cluster.BytesPerSecond `yaml:"storageNetworkBytesPerSecond" json:"storageNetworkBytesPerSecond,omitempty"`
	// HourlyPrice is an example; a price file overrides it.
	HourlyPrice float64 `yaml:"hourlyPrice" json:"hourlyPrice,omitempty"`
	Source      string  `yaml:"source" json:"source"`
}

// Capacity is the shape as a broker's capacity.
func (s Shape) Capacity() cluster.Capacity {
	return cluster.Capacity{
		CPUCores: s.CPUCores, MemoryBytes: s.MemoryBytes,
		NetworkInBytesPerSecond: s.NetworkBytesPerSecond, NetworkOutBytesPerSecond: s.NetworkBytesPerSecond,
		DiskBytes: s.DiskBytes, DiskBytesPerSecond: s.DiskBytesPerSecond,
	}
}

//go:embed shapes.yaml
var shapesYAML []byte

var shapes = sync.OnceValue(func() []Shape {
	var doc struct {
		Shapes []Shape `yaml:"shapes"`
	}
	if _, problems := strictyaml.Decode(shapesYAML, &doc); len(problems) > 0 {
		panic(fmt.Sprintf("capacity: the built-in shapes are broken: %v", problems))
	}
	slices.SortFunc(doc.Shapes, func(a, b Shape) int { return strings.Compare(a.Name, b.Name) })
	return doc.Shapes
})

// Shapes is the built-in catalogue, sorted by name.
func Shapes() []Shape { return slices.Clone(shapes()) }

// ShapeNamed finds a shape of the catalogue.
func ShapeNamed(name string) (Shape, error) {
	var known []string
	for _, s := range shapes() {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return Shape{}, fmt.Errorf("shape %q is not in the catalogue; known: %s", name, strings.Join(known, ", "))
}

// ProfileOf is what one broker of this cluster can do: the smallest of the
// alive brokers in each resource, so that no broker is promised more than it
// has, and what nobody measured from the shape, when one is given.
func ProfileOf(brokers []cluster.Broker, shape *Shape) cluster.Capacity {
	var c cluster.Capacity
	for i := range brokers {
		if brokers[i].State == cluster.BrokerDead {
			continue
		}
		b := &brokers[i].Capacity
		least(&c.CPUCores, b.CPUCores)
		least(&c.NetworkInBytesPerSecond, b.NetworkInBytesPerSecond)
		least(&c.NetworkOutBytesPerSecond, b.NetworkOutBytesPerSecond)
		least(&c.DiskBytes, b.DiskBytes)
		least(&c.DiskBytesPerSecond, b.DiskBytesPerSecond)
		least(&c.MemoryBytes, b.MemoryBytes)
	}
	if shape != nil {
		c = c.Or(shape.Capacity())
	}
	return c
}

func least[T ~float64](have *T, v T) {
	if v > 0 && (*have == 0 || v < *have) {
		*have = v
	}
}
