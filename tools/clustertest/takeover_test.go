package clustertest

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/testprocess"
)

const (
	// takeoverLimit is how soon another node must have the log of one that died.
	takeoverLimit = 30 * time.Second
	tookOver      = "took over the log of a node that is not alive"
)

// TestTakeover kills a node and removes its disk while rows of it are nowhere but
// in its delta log.
func TestTakeover(t *testing.T) {
	t.Logf("seed %d (give it back with -seed)", *seed)
	s := &scene{t: t, ledger: newLedger(), rng: rand.New(rand.NewPCG(*seed, 0))}
	store := newKeyspace(t, theServer.get(t))
	for i, name := range []string{"a", "b"} {
		s.nodes = append(s.nodes, newNode(t, i, name, store, "PHYLLO_SEAL_AGE=1h"))
		if err := s.nodes[i].start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(tables...)
	s.loseWithLoad()
	a, b := s.nodes[0], s.nodes[1]
	verify(t, s.ledger, b) // at once
	s.awaitTakeover(b.current())
	verify(t, s.ledger, b)
	s.nodes = []*node{b}
	s.exec("CHECKPOINT")
	verify(t, s.ledger, b)
	if err := a.start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	verify(t, s.ledger, a, b)
	s.refuseTwin(b)
	if *long {
		s.nodes = []*node{b, a} // now the other way round
		s.loseWithLoad()
		verify(t, s.ledger, a)
		s.awaitTakeover(a.current())
		verify(t, s.ledger, a)
	}
	t.Logf("batches: %d acknowledged, %d unknown, %d failed", s.ledger.count()[acked], s.ledger.count()[unknown], s.ledger.count()[failed])
}

// loseWithLoad kills the first node under load and removes its disk.
func (s *scene) loseWithLoad() {
	s.t.Helper()
	_, end := begin(s.t, s.ledger, s.nodes, s.rng)
	defer end()
	if err := s.goesOn(s.t.Context(), steady, s.nodes...); err != nil {
		s.t.Fatal(err)
	}
	if err := s.nodes[0].killWithDisk(); err != nil {
		s.t.Fatal(err)
	}
}

// awaitTakeover waits until a node has the log of one that has just died.
func (s *scene) awaitTakeover(p *testprocess.Process) {
	s.t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), takeoverLimit)
	defer cancel()
	if err := p.Logged(ctx, tookOver); err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("taken over after %.1f s", time.Since(start).Seconds())
}

// refuseTwin starts a second process with the name of a node that is alive.
func (s *scene) refuseTwin(n *node) {
	s.t.Helper()
	start := time.Now()
	twin, err := n.launch(n.String(), s.t.TempDir())
	if err != nil {
		s.t.Fatal(err)
	}
	defer twin.Kill()
	ctx, cancel := context.WithTimeout(s.t.Context(), readyLimit)
	defer cancel()
	const why = `a node called "b" is running`
	switch err := twin.Ready(ctx); {
	case err == nil:
		s.t.Errorf("a second node %v was let in", n)
	case twin.Alive() || !strings.Contains(err.Error(), why):
		s.t.Errorf("a second node %v: %v; want an end with %q", n, err, why)
	default:
		s.t.Logf("a second process with a name was refused after %.1f s", time.Since(start).Seconds())
	}
	if err := s.ask(s.t.Context(), n, nil); err != nil {
		s.t.Errorf("the first node %v after that: %v", n, err)
	}
}
