package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
)

// lowestPort is the first of the ports that are tried.
const lowestPort = 10000

// freeServerPort returns a port that is free on all hosts and not in taken. It
// lies below the range from which the kernel takes ports for outgoing connections:
// else one of those could sit on it while the server is starting or is down.
func freeServerPort(hosts []string, taken map[int]bool) (int, error) {
	limit := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var low int
		if _, err := fmt.Sscan(string(text), &low); err == nil && low > lowestPort+1000 {
			limit = low
		}
	}
	var last error
	for range 200 {
		port := lowestPort + rand.IntN(limit-lowestPort)
		if taken[port] {
			continue
		}
		if last = portFree(hosts, port); last == nil {
			taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d: %w", lowestPort, limit, last)
}

// ErrPortInUse says that a server cannot have its port.
var ErrPortInUse = errors.New("in use by another program")

// portFree returns nil if a server can listen on the port of each host.
func portFree(hosts []string, port int) error {
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("port %d of %s is %w", port, host, ErrPortInUse)
		case err != nil:
			return fmt.Errorf("cannot listen on port %d of %s: %w", port, host, err)
		}
		l.Close()
	}
	return nil
}
