package exec

import "hash/maphash"

// keySetBytes is what a key takes in a KeySet, with its share of the map's free places.
const keySetBytes = 40

// A KeySet remembers keys of rows by 128 bits of two hashes with secret seeds: that two keys of
// 2^32 have the same is a matter of 2^-65. What it holds counts against the query's memory. It is
// used by one goroutine.
type KeySet struct {
	acct  *account
	seeds [2]maphash.Seed
	keys  map[[2]uint64]struct{}
}

// NewKeySet returns an empty set, which the caller closes.
func NewKeySet(rt *Runtime) *KeySet {
	return &KeySet{acct: newFrame(rt).account(), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, keys: map[[2]uint64]struct{}{}}
}

// Add adds a key and says whether it is new. It fails with 53200.
func (s *KeySet) Add(key []byte) (fresh bool, err error) {
	h := [2]uint64{maphash.Bytes(s.seeds[0], key), maphash.Bytes(s.seeds[1], key)}
	if _, there := s.keys[h]; there {
		return false, nil
	}
	if err := s.acct.add(keySetBytes); err != nil {
		return false, err
	}
	s.keys[h] = struct{}{}
	return true, nil
}

// Close gives the memory back.
func (s *KeySet) Close() {
	s.keys = nil
	s.acct.close()
}
