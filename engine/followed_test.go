package engine

import (
	"slices"
	"testing"
)

// TestFollowedSteps adds steps one at a time, cuts them at every position, and sees
// that what was shared has not changed.
func TestFollowedSteps(t *testing.T) {
	const n = 3*stepBlock + 5
	var kept []followedSteps
	var all followedSteps
	for i := range n {
		kept = append(kept, all)
		all = all.add(followedStep{pos: uint64(2 * i)})
		kept[i].add(followedStep{pos: 1 << 40}) // a sibling, which nobody sees
	}
	for i, steps := range append(kept, all) {
		if got := count(steps, 0, 2*i); got != i {
			t.Fatalf("after %d: %d", i, got)
		}
	}
	for pos := range 2*n + 1 {
		upTo, above := all.cut(uint64(pos))
		first := min(pos/2+1, n)
		if count(upTo, 0, pos+1) != first || count(above, pos+1, 2*n) != n-first {
			t.Fatalf("cut at %d: %d and %d", pos, count(upTo, 0, 2*n), count(above, 0, 2*n))
		}
		more := above.add(followedStep{pos: 2*n + 1})
		if count(more, pos+1, 2*n+2) != n-first+1 {
			t.Fatalf("cut at %d and one more: %d", pos, count(more, 0, 3*n))
		}
	}
	if got := count(all, 0, 2*n); got != n {
		t.Errorf("at the end: %d", got)
	}
}

// count returns how many steps there are, or -1 if they do not rise from one
// position to below another.
func count(s followedSteps, from, to int) int {
	steps := slices.Collect(s.all())
	last := from - 1
	for _, step := range steps {
		if int(step.pos) <= last || int(step.pos) >= to {
			return -1
		}
		last = int(step.pos)
	}
	return len(steps)
}
