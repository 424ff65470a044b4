package metrics

import (
	"net"
	"regexp"
	"strconv"
)

var endsInNumber = regexp.MustCompile(`(?:^|-)(\d+)$`)

// NumberAtEnd is the number that a pod's name ends in after a dash, or that it is.
func NumberAtEnd(name string) (n int, ok bool) {
	m := endsInNumber.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// HostOf is a target's host, without its port where it has one.
func HostOf(target string) string {
	if host, _, err := net.SplitHostPort(target); err == nil {
		return host
	}
	return target
}
