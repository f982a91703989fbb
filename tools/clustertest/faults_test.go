package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testenv"
)

// A scene is what the faults of TestFaults are made in.
type scene struct {
	t        *testing.T
	rng      *rand.Rand
	server   *testenv.Cassandra
	keyspace string
	nodes    []*node
	ledger   *ledger
	turn     int // of the server that is killed next
	names    int // how many new names nodes were given
}

// A fault makes something fail and mends it again. It says what it did, and fails
// if the rest did not go on as promised meanwhile.
type fault struct {
	name string
	run  func(s *scene, ctx context.Context) (what string, err error)
}

// faults are made in this order, then in a random one.
var faults = []fault{
	{"lost node", (*scene).loseNode},
	{"killed server", (*scene).killServer},
	{"two servers down", (*scene).twoDown},
	{"stopped node", (*scene).stopNode},
	{"paused server", (*scene).pauseServer},
	{"slow server", (*scene).slowServer},
	{"full commit log", (*scene).fullCommitLog},
}

// pick returns one of the numbers 1 to n.
func (s *scene) pick(n int) int { return 1 + s.rng.IntN(n) }

// pause is how long servers are paused and stay down.
func (s *scene) pause() time.Duration {
	if *long {
		return 30 * time.Second
	}
	return 5 * time.Second
}

// patience is how long the acknowledgement of a batch may take while a quorum is
// up: a server that does not answer is given up after 10 s.
const patience = 30 * time.Second

// goesOn waits for a time, and until each of some nodes has acknowledged a batch
// in it.
func (s *scene) goesOn(ctx context.Context, d time.Duration, nodes ...*node) error {
	before := s.ledger.acks()
	if err := await(ctx, d); err != nil {
		return err
	}
	late := time.Now().Add(patience)
	for _, n := range nodes {
		for s.ledger.acks()[n.number] == before[n.number] {
			if time.Now().After(late) {
				return fmt.Errorf("node %v acknowledged nothing within %v", n, d+patience)
			}
			if err := await(ctx, writerPause); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseNode kills a phyllo process and removes its disk. Another starts under its
// name, or under a new one.
func (s *scene) loseNode(ctx context.Context) (string, error) {
	i := s.rng.IntN(len(s.nodes))
	n, name := s.nodes[i], s.nodes[i].String()
	what := fmt.Sprintf("kill -9 of node %s, its disk removed", name)
	if err := n.killWithDisk(); err != nil {
		return what, err
	}
	others := slices.Delete(slices.Clone(s.nodes), i, i+1)
	if err := s.goesOn(ctx, s.pause(), others...); err != nil {
		return what, err
	}
	if s.rng.IntN(2) == 0 {
		s.names++
		name = fmt.Sprintf("%s%d", name[:1], s.names)
	}
	start := time.Now()
	err := n.start(ctx, name)
	return fmt.Sprintf("%s; started as %s, ready after %.1f s", what, name, time.Since(start).Seconds()), err
}

// stopNode stops a phyllo process for longer than its lease. Its clients stay.
func (s *scene) stopNode(ctx context.Context) (string, error) {
	const stop = 16 * time.Second // a lease, the round of who looks for dead nodes, and some
	i := s.rng.IntN(len(s.nodes))
	n := s.nodes[i]
	what := fmt.Sprintf("SIGSTOP of node %v for %v", n, stop)
	if err := n.current().Pause(); err != nil {
		return what, err
	}
	err := s.goesOn(ctx, stop, slices.Delete(slices.Clone(s.nodes), i, i+1)...)
	return what, errors.Join(err, n.current().Resume())
}

// killServer kills a server, or in a long run each in turn.
func (s *scene) killServer(ctx context.Context) (what string, err error) {
	times := 1
	if *long {
		times = len(s.server.Hosts())
	}
	what = "kill -9 and restart of server"
	for range times {
		number := 1 + s.turn%len(s.server.Hosts())
		s.turn++
		what += fmt.Sprintf(" %d", number)
		if err := s.server.Kill(number); err != nil {
			return what, err
		}
		err := s.goesOn(ctx, s.pause(), s.nodes...)
		if err := errors.Join(err, s.server.Restart(ctx, number)); err != nil {
			return what, err
		}
	}
	return what, nil
}

// pauseServer stops a server in its tracks.
func (s *scene) pauseServer(ctx context.Context) (string, error) {
	number := s.pick(len(s.server.Hosts()))
	what := fmt.Sprintf("SIGSTOP of server %d for %v", number, s.pause())
	if err := s.server.Pause(number); err != nil {
		return what, err
	}
	err := s.goesOn(ctx, s.pause(), s.nodes...)
	return what, errors.Join(err, s.server.Resume(number))
}

// slowServer stops a server for a fifth of each second.
func (s *scene) slowServer(ctx context.Context) (string, error) {
	const stopped, goes = 200 * time.Millisecond, 800 * time.Millisecond
	number := s.pick(len(s.server.Hosts()))
	times := int(s.pause() / (stopped + goes))
	what := fmt.Sprintf("server %d stopped for %v of each second, %d times", number, stopped, times)
	before := s.ledger.acks()
	for range times {
		if err := s.server.Pause(number); err != nil {
			return what, err
		}
		err := await(ctx, stopped)
		if err := errors.Join(err, s.server.Resume(number)); err != nil {
			return what, err
		}
		if err := await(ctx, goes); err != nil {
			return what, err
		}
	}
	after := s.ledger.acks()
	for _, n := range s.nodes {
		if after[n.number] == before[n.number] {
			return what, fmt.Errorf("node %v acknowledged nothing", n)
		}
	}
	return what, nil
}
