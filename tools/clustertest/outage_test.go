package clustertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// outage is how long two servers stay down: longer than nodes insist on a commit.
const outage = 13 * time.Second

// twoDown kills or pauses two of the three servers: with the third alone nothing
// can be committed.
func (s *scene) twoDown(ctx context.Context) (what string, err error) {
	left := s.pick(len(s.server.Hosts()))
	var down []int
	for i := range s.server.Hosts() {
		if i+1 != left {
			down = append(down, i+1)
		}
	}
	kill := *long && s.rng.IntN(2) == 0 // to start them again takes long
	what = fmt.Sprintf("SIGSTOP of servers %v", down)
	take, back := s.server.Pause, s.server.Resume
	if kill {
		what = fmt.Sprintf("kill -9 of servers %v", down)
		take, back = s.server.Kill, func(n int) error { return s.server.Restart(ctx, n) }
	}
	for _, number := range down {
		if err := take(number); err != nil {
			return what, err
		}
	}
	end := time.Now().Add(outage)
	told, err := s.withoutQuorum(ctx)
	err = errors.Join(err, await(ctx, time.Until(end)))
	for _, number := range down {
		err = errors.Join(err, back(number))
	}
	return what + "; " + told, err
}

// withoutQuorum looks at what clients are told while no quorum is up.
func (s *scene) withoutQuorum(ctx context.Context) (told string, err error) {
	if err := await(ctx, 2*visibleWithin); err != nil { // until what nodes know of each other is old
		return "", err
	}
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	start := time.Now()
	answer := s.ask(ctx, n, localOne)
	if answer != nil {
		return "", fmt.Errorf("a read at LOCAL_ONE on node %v while one server is up: %w", n, answer)
	}
	told = fmt.Sprintf("LOCAL_ONE answered in %.1f s", time.Since(start).Seconds())
	var reads, writes string
	var g errgroup.Group
	g.Go(func() (err error) { reads, err = s.readInVain(ctx, n); return err })
	g.Go(func() (err error) { writes, err = s.writeInVain(ctx, n); return err })
	err = g.Wait()
	return told + reads + writes, err
}

func (s *scene) readInVain(ctx context.Context, n *node) (told string, err error) {
	start := time.Now()
	answer := s.ask(ctx, n, nil)
	if !excused(answer, false) {
		return "", fmt.Errorf("a read on node %v without a quorum: %v; want a retryable error", n, answer)
	}
	return fmt.Sprintf(", a read failed with %s in %.1f s", code(answer), time.Since(start).Seconds()), nil
}

func (s *scene) writeInVain(ctx context.Context, n *node) (told string, err error) {
	start := time.Now()
	l := &link{to: n}
	defer l.close()
	b := writers[2].write(ctx, l, s.ledger, s.rng)
	if b.outcome == acked || !excused(b.err, false) {
		return "", fmt.Errorf("a write without a quorum: %v; want a retryable error", b)
	}
	return fmt.Sprintf(", a write with %s in %.1f s", code(b.err), time.Since(start).Seconds()), nil
}

// ask sends a query.
func (s *scene) ask(ctx context.Context, n *node, settings map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	l := &link{to: n, settings: settings}
	defer l.close()
	conn, err := l.get(ctx)
	if err != nil {
		return err
	}
	rows := 0
	return conn.QueryRow(ctx, countSQL, s.ledger.last()).Scan(&rows)
}
