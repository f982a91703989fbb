package commitlog

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestList edits lists at random and compares them with plain slices, older
// ones too: they must not change.
func TestList(t *testing.T) {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	type version struct {
		list list[[2]int]
		want [][2]int
	}
	byKey := func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) }
	versions := []version{{}}
	for round := range 300 {
		v := versions[rng.IntN(len(versions))]
		if round%3 > 0 {
			v = versions[len(versions)-1]
		}
		e, want := v.list.edit(byKey), slices.Clone(v.want)
		edits := []int{1, 3, 200, 2000}[rng.IntN(4)]
		adding := rng.IntN(3)
		for i := range edits {
			item := [2]int{rng.IntN(4000), round}
			if rng.IntN(4) == 0 && len(want) > 0 {
				item[0] = want[len(want)-1][0] + 1 // at the end, as new chunks are
			}
			at, found := slices.BinarySearchFunc(want, item, byKey)
			switch {
			case i%3 >= adding:
				e.remove(item)
				if found {
					want = slices.Delete(want, at, at+1)
				}
			case found:
				e.put(item)
				want[at] = item
			default:
				e.put(item)
				want = slices.Insert(want, at, item)
			}
		}
		versions = append(versions, version{e.done(), want})
		if len(versions) > 8 {
			versions = slices.Delete(versions, 0, 1)
		}
		for _, v := range versions {
			checkList(t, v.list, v.want, rng.IntN(4100))
		}
	}
}

func checkList(t *testing.T, l list[[2]int], want [][2]int, key int) {
	t.Helper()
	if got := slices.Collect(l.all()); l.n != len(want) || !slices.Equal(got, want) {
		t.Fatalf("list of %d is %v\nwant %v", l.n, got, want)
	}
	small := 0
	for i, b := range l.blocks {
		if len(b) == 0 || len(b) > blockItems {
			t.Fatalf("block of %d items", len(b))
		}
		if i > 0 && len(b)+len(l.blocks[i-1]) <= blockItems/4 {
			small++
		}
	}
	if small > 2 {
		t.Fatalf("%d of %d blocks are small", small, len(l.blocks))
	}
	toKey := func(item [2]int) int { return cmp.Compare(item[0], key) }
	at, found := slices.BinarySearchFunc(want, [2]int{key}, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	item, ok := l.find(toKey)
	if ok != found || found && item != want[at] {
		t.Fatalf("find %d: %v, %v; want %v", key, item, ok, found)
	}
	if got := slices.Collect(l.from(toKey)); !slices.Equal(got, want[at:]) {
		t.Fatalf("from %d: %d items, want %d", key, len(got), len(want)-at)
	}
}
