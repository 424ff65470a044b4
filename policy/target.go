package policy

import "cmp"

// HoldAnnotation on a policy, or on a workload, keeps tidetable's hands off it:
// its value is the reason, and "false" takes it back.
const HoldAnnotation = "tidetable.io/hold"

// Key is what the broker workload is called between rooms.
func (b Brokers) Key() string {
	if b.Target.Name == "" {
		return "brokers"
	}
	return b.Target.Key()
}

// Key is what a consumer workload is called between rooms.
func (c Consumer) Key() string {
	if c.Target.Name == "" {
		return "group/" + c.Group
	}
	return c.Target.Key()
}

// Held says that, and why, the policy is held by its annotation; "" when it is not.
func (p Policy) Held() string {
	v, ok := p.Metadata.Annotations[HoldAnnotation]
	if !ok || v == "false" {
		return ""
	}
	return "the annotation " + HoldAnnotation + " says: " + cmp.Or(v, "hold")
}
