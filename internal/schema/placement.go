package schema

import "time"

// A Placement says how a table's rows are spread. A table whose placement was changed
// has rows of several: each is a generation, whose partitions have keys of their own,
// so that a partition's key tells how the rows in it are spread.
type Placement struct {
	Slice      time.Duration `json:",omitempty"` // as Table.Slice
	Partitions int           `json:",omitempty"` // as Table.Partitions
}

// MaxPlacements bounds the generations of a table.
const MaxPlacements = 64

// Placement returns the one that rows are written under now.
func (t *Table) Placement() Placement { return Placement{Slice: t.Slice, Partitions: t.Partitions} }

// PlacementOf returns the placement of the rows of a partition. ok is false if the key is
// of a generation that the definition does not have.
func (t *Table) PlacementOf(key string) (p Placement, ok bool) {
	g, _ := SplitPartitionKey(key)
	switch {
	case len(t.Placements) == 0 && g == 0:
		return t.Placement(), true
	case g < len(t.Placements):
		return t.Placements[g], true
	}
	return Placement{}, false
}

// laterGeneration begins the keys of partitions of later generations than the first. No
// other key begins with it: buckets have numbers far below 0xff00, and the values of LIST
// expressions begin with bytes that say whether they are NULL.
const laterGeneration = 0xff

// PartitionKey returns the key of a generation's partition, given the one that the
// partition would have in the first.
func PartitionKey(generation int, key string) string {
	if generation == 0 {
		return key
	}
	return string([]byte{laterGeneration, byte(generation)}) + key
}

// SplitPartitionKey is the inverse of PartitionKey.
func SplitPartitionKey(full string) (generation int, key string) {
	if len(full) < 2 || full[0] != laterGeneration {
		return 0, full
	}
	return int(full[1]), full[2:]
}
