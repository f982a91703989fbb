package exec

import (
	"hash/maphash"
	"math"
	"math/bits"
)

// hashSeed makes the hashes of this process differ from those of others, so that
// nobody can prepare keys that collide. Answers never depend on it: groups are
// numbered as they are met.
var hashSeed = maphash.MakeSeed()

// An interner numbers byte strings from 0 in the order in which they are first
// met. It is used by one goroutine.
type interner struct {
	slots   []uint64 // hash's upper half << 32 | id+1; 0 is free
	offsets []int    // value id is arena[offsets[id]:offsets[id+1]]
	arena   []byte
	lastID  int32 // of the last string seen, -1 at first
}

func newInterner() *interner {
	return &interner{slots: make([]uint64, 64), offsets: []int{0}, lastID: -1}
}

func (t *interner) len() int { return len(t.offsets) - 1 }

func (t *interner) value(id int32) []byte {
	return t.arena[t.offsets[id]:t.offsets[id+1]]
}

func (t *interner) sizeBytes() int64 {
	return int64(8*cap(t.slots) + 8*cap(t.offsets) + cap(t.arena))
}

// id returns the number of b, a new one if it has none and add is set, else -1.
func (t *interner) id(b []byte, add bool) int32 {
	if t.lastID >= 0 && string(t.value(t.lastID)) == string(b) {
		return t.lastID // runs of equal values are common: tables are sorted
	}
	h := maphash.Bytes(hashSeed, b)
	mask := uint64(len(t.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s == 0 {
			if !add {
				return -1
			}
			return t.insert(b, h, at)
		}
		if s>>32 == h>>32 {
			if id := int32(uint32(s)) - 1; string(t.value(id)) == string(b) {
				t.lastID = id
				return id
			}
		}
	}
}

func (t *interner) insert(b []byte, h, at uint64) int32 {
	id := int32(t.len())
	if id == math.MaxInt32-1 {
		panic(tooLarge(id))
	}
	t.arena = append(t.arena, b...)
	t.offsets = append(t.offsets, len(t.arena))
	t.slots[at] = h>>32<<32 | uint64(id+1)
	t.lastID = id
	if 2*t.len() > len(t.slots) {
		t.grow()
	}
	return id
}

func (t *interner) grow() {
	slots := make([]uint64, 4*len(t.slots))
	mask := uint64(len(slots) - 1)
	for id := range int32(t.len()) {
		h := maphash.Bytes(hashSeed, t.value(id))
		at := h & mask
		for slots[at] != 0 {
			at = (at + 1) & mask
		}
		slots[at] = h>>32<<32 | uint64(id+1)
	}
	t.slots = slots
}

// mix folds a word into a hash (the multiplication of wyhash).
func mix(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^w^0x9e3779b97f4a7c15, 0xa0761d6478bd642f)
	return hi ^ lo
}

// wordSeed starts the hash of a key's words.
var wordSeed = maphash.Bytes(hashSeed, nil)
