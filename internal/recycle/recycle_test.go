package recycle

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

func init() { Poison = true }

// TestPool allocates, grows, shrinks and frees at random: bytes are zero at first
// and keep what was written, no two buffers overlap, and no more is kept than the
// limit.
func TestPool(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const limit = 1 << 20
	p := New(limit)
	type buffer struct {
		bytes []byte
		mark  byte
	}
	var live []buffer
	check := func(b []byte, mark byte, what string) {
		for i, x := range b {
			if x != mark {
				t.Fatalf("%s: byte %d of %d is %d, want %d", what, i, len(b), x, mark)
			}
		}
	}
	size := func() int { return r.IntN(1 << r.IntN(maxClass+2)) }
	for step := range 4000 {
		if n := len(live); n > 20 || n > 0 && r.IntN(2) == 0 {
			k := r.IntN(n)
			check(live[k].bytes, live[k].mark, "kept")
			if r.IntN(3) == 0 {
				old, want := live[k], size()
				b := p.Reallocate(want, old.bytes)
				if len(b) != want {
					t.Fatalf("%d bytes for %d", len(b), want)
				}
				same := min(want, len(old.bytes))
				check(b[:same], old.mark, "reallocated")
				check(b[same:], 0, "added")
				fill(b, old.mark)
				live[k].bytes = b
				continue
			}
			p.Free(live[k].bytes)
			live[k] = live[n-1]
			live = live[:n-1]
			if p.held > limit {
				t.Fatalf("%d bytes are kept", p.held)
			}
			continue
		}
		b := p.Allocate(size())
		check(b, 0, "new")
		if len(b) > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Fatalf("%d bytes are not aligned", len(b))
		}
		mark := byte(step%250 + 1)
		fill(b, mark)
		live = append(live, buffer{b, mark})
	}
}

func fill(b []byte, x byte) {
	for i := range b {
		b[i] = x
	}
}
