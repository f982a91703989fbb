package engine

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// ALTER TABLE ... SET (slice, partitions) leaves rows where they are: those to come go to
// partitions of a new generation. A partition's key tells its generation, and so the
// length of its slices. docs/design/layouts.md has the reasons.

// placed returns the table for one of several generations, with the others beside it.
func (in *tableInfo) placed(list []schema.Placement, generation int) *tableInfo {
	all := make([]*tableInfo, len(list))
	frame := frameOf(list)
	for g, p := range list {
		layout := *in.layout
		layout.Slice = p.Slice
		next := *in
		next.layout, next.generation, next.buckets, next.generations, next.frame = &layout, g, p.Partitions, all, frame
		all[g] = &next
	}
	return all[generation]
}

// of returns the table for the rows of a partition. A state has no partition of a
// generation that its catalogue does not have.
func (in *tableInfo) of(key string) *tableInfo {
	g, _ := schema.SplitPartitionKey(key)
	switch {
	case g == in.generation:
		return in
	case g < len(in.generations):
		return in.generations[g]
	}
	panic(fmt.Sprintf("engine: bug: partition %x of table %s is of generation %d of %d", key, in.name(), g, in.count()))
}

// all returns the table for each of its generations.
func (in *tableInfo) all() []*tableInfo {
	if in.generations == nil {
		return []*tableInfo{in}
	}
	return in.generations
}

// count is how many generations the table has.
func (in *tableInfo) count() int { return max(1, len(in.generations)) }

// knowing returns the table with all generations that another definition of it has: in
// may be that of an older snapshot.
func (in *tableInfo) knowing(other *tableInfo) *tableInfo {
	if other == nil || other.count() <= in.count() {
		return in
	}
	return in.placed(other.def.Placements, in.generation)
}

// mayShare says whether partitions of two generations may hold rows of one key, or a row
// and its mark.
func (in *tableInfo) mayShare(a, b string) bool {
	x, keyA := schema.SplitPartitionKey(a)
	y, keyB := schema.SplitPartitionKey(b)
	if x == y || in.def.PartitionKind != schema.PartitionHash {
		return keyA == keyB
	}
	n, m := in.of(a).buckets, in.of(b).buckets
	i, j := bucketNumber(keyA), bucketNumber(keyB)
	return i*m < (j+1)*n && j*n < (i+1)*m // a bucket is a range of hashes
}

// bucketNumber is the inverse of bucketKey.
func bucketNumber(key string) int {
	n := 0
	for _, b := range []byte(key) {
		n = n<<8 | int(b)
	}
	return n
}

// maxFrame is how many of the longest slices may have to be read together.
const maxFrame = 32

// place puts the placement of a table's next definition beside those of the one before,
// whose rows it keeps.
func place(old, next *schema.Table) error {
	next.Placements, next.Generation, next.Gone = old.Placements, old.Generation, old.Gone
	p := next.Placement()
	if p == old.Placement() {
		return nil
	}
	if (p.Slice > 0) != (old.Slice > 0) || (p.Partitions > 0) != (old.Partitions > 0) || next.PartitionKind != old.PartitionKind {
		return pgerr.Unsupported("changing whether table %q has slices or partitions is not supported", next.Name)
	}
	all := slices.Clone(old.Placements)
	if len(all) == 0 {
		all = []schema.Placement{old.Placement()}
	}
	g := slices.Index(all, p)
	if g < 0 {
		g, all = len(all), append(all, p)
	}
	if len(all) > schema.MaxPlacements {
		return pgerr.New(pgerr.ProgramLimitExceeded, "table %q has had %d lengths of slices and numbers of partitions, which is the most", next.Name, schema.MaxPlacements).
			WithHint("Set one that it has had, or copy the table to a new one.")
	}
	if longest := longestSlice(all); p.Slice > 0 && (frameOf(all) == 0 || frameOf(all)/longest > maxFrame) {
		return pgerr.Unsupported("slices of %v beside those that table %q has are not supported", p.Slice, next.Name).
			WithDetail("They begin together only after more than %d slices of %v.", maxFrame, longest).
			WithHint("Choose a length that divides those of the table's slices, or that they divide.")
	}
	next.Placements, next.Generation = all, g
	return nil
}

func longestSlice(list []schema.Placement) time.Duration {
	longest := time.Duration(0)
	for _, p := range list {
		longest = max(longest, p.Slice)
	}
	return longest
}

// frameOf returns the least common multiple of the lengths of slices, 0 if there are none
// or it is too long.
func frameOf(list []schema.Placement) time.Duration {
	frame := list[0].Slice
	for _, p := range list[1:] {
		if frame == 0 || p.Slice == 0 {
			return 0
		}
		hi, lo := bits.Mul64(uint64(frame/gcd(frame, p.Slice)), uint64(p.Slice))
		if hi > 0 || lo > 1<<62 {
			return 0
		}
		frame = time.Duration(lo)
	}
	return frame
}

func gcd[T ~int | ~int64](a, b T) T {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// place is place for a transaction's change of a table.
func (t *Txn) place(old, next *schema.Table) error {
	if err := place(old, next); err != nil {
		return err
	}
	in, err := t.info(old.OID)
	if err != nil {
		return err
	}
	t.db.goneBefore(in, next, t.db.opt.Now())
	return nil
}

// settleGone is goneBefore at the commit: others went by the definition before until then.
func (t *Txn) settleGone() {
	for i := range t.work.changes {
		c := &t.work.changes[i]
		if c.PutTable == nil {
			continue
		}
		if old := t.snap.tables[c.PutTable.OID]; old != nil && old.def.Storage == c.PutTable.Storage {
			next := *c.PutTable
			t.db.goneBefore(old, &next, t.db.opt.Now())
			c.PutTable = &next
		}
	}
}

// goneBefore notes in a table's next definition which rows were too old for the one
// before, if the other would have them come back. Some of them may have been dropped, and
// not others: of several generations a mark, say, and not yet its row. Nor were they looked
// at when a column became NOT NULL, and they may yet come back then.
func (db *DB) goneBefore(old *tableInfo, next *schema.Table, now time.Time) {
	same := old.def.Retention == next.Retention && old.def.Generation == next.Generation && len(old.def.Placements) == len(next.Placements)
	seen := (same || len(next.Placements) == 0) && len(stricter(old.def, next)) == 0
	if old.def.Retention <= 0 || old.frame <= 0 || seen {
		return
	}
	at := datum.Micros(now.Add(-old.def.Retention).UnixMicro())
	start := chunk.SliceRange(old.frame, chunk.SliceOf(old.frame, at, false)).Min
	if next.Gone == nil || *next.Gone < start {
		next.Gone = &start
	}
}
