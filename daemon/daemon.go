// Package daemon is the process that runs beside a cluster: it turns a policy
// into a loop on the systems that the policy names (Builder), shows what the
// loops do and lets people and alerts speak to them (Front), and runs the loops
// of a namespace's policies while it leads (Kubernetes).
package daemon
