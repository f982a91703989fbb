package clustertest

import (
	"math/rand/v2"
	"testing"
)

// TestLocalDurability kills a node whose commits are durable on its own disk, and
// starts it again there: with commits durable on the disk, then in the cluster.
func TestLocalDurability(t *testing.T) {
	t.Logf("seed %d (give it back with -seed)", *seed)
	s := &scene{t: t, ledger: newLedger(), rng: rand.New(rand.NewPCG(*seed, 0))}
	store := newKeyspace(t, theServer.get(t))
	s.nodes = []*node{newNode(t, 0, "a", store, localDurability), newNode(t, 1, "b", store)}
	for i, name := range []string{"a", "b"} {
		if err := s.nodes[i].start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(tables...)
	a, b := s.nodes[0], s.nodes[1]
	for _, env := range [][]string{{localDurability}, nil} {
		s.killUnderLoad(a, env)
		verify(t, s.ledger, a, b)
	}
	t.Logf("batches: %d acknowledged, %d unknown, %d failed", s.ledger.count()[acked], s.ledger.count()[unknown], s.ledger.count()[failed])
}

// killUnderLoad kills a node under load and starts it again on its disk, with
// other settings.
func (s *scene) killUnderLoad(n *node, env []string) {
	s.t.Helper()
	load, end := begin(s.t, s.ledger, s.nodes, s.rng)
	defer func() {
		end()
		s.t.Logf("  %s", load)
	}()
	if err := s.goesOn(s.t.Context(), steady/2, s.nodes...); err != nil {
		s.t.Fatal(err)
	}
	n.kill()
	n.env = env
	if err := n.start(s.t.Context(), n.String()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.goesOn(s.t.Context(), 0, s.nodes...); err != nil {
		s.t.Fatal(err)
	}
}
