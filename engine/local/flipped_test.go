package local

import (
	"math/rand/v2"
	"testing"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// TestFlipped flips each bit of the last frame of a file, which is found and told from what
// a crash tears: the end missing, or sectors of zeros.
func TestFlipped(t *testing.T) {
	const start, seed = 1000, 77
	rng := rand.New(rand.NewPCG(1, 1))
	payload := make([]byte, 1500)
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	good := appendFrame(make([]byte, start), seed, frame{typ: frameEntry, log: 3, seq: 9, offset: start, batch: 900, payload: payload})
	look := func(b []byte) (offset int64, bit int, found bool) {
		t.Helper()
		fs := vfs.NewMem()
		f, err := fs.Create("log")
		if err == nil {
			_, err = f.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		s := &scanner{file: f, seed: seed, end: int64(len(b))}
		fr, offset, bit, found, err := s.flipped(start)
		if err != nil {
			t.Fatal(err)
		}
		if found && (fr.typ != frameEntry || fr.seq != 9) {
			t.Errorf("frame %+v", fr)
		}
		return offset, bit, found
	}
	for i := start; i < len(good); i++ {
		bit := rng.IntN(8)
		good[i] ^= 1 << bit
		if at, b, found := look(good); !found || at != int64(i) || b != bit {
			t.Fatalf("bit %d of byte %d: found %v: bit %d of byte %d", bit, i, found, b, at)
		}
		good[i] ^= 1 << bit
	}
	for cut := start; cut < len(good); cut += 7 {
		if at, _, found := look(good[:cut]); found {
			t.Errorf("cut off at %d: byte %d is said to be damaged", cut, at)
		}
	}
	for sector := 1024; sector < len(good); sector += diskSectorBytes {
		for _, one := range []bool{false, true} {
			torn := append([]byte(nil), good...)
			clear(torn[sector:min(len(torn), sector+diskSectorBytes)])
			if one {
				torn[start+60] ^= 4
			}
			if at, _, found := look(torn); found {
				t.Errorf("without the sector at %d: byte %d is said to be damaged", sector, at)
			}
		}
	}
	// A torn sector of which the frame had a single bit.
	payload = make([]byte, 2048-start-frameBytes+3)
	for i := range payload {
		payload[i] = byte(i) | 1
	}
	copy(payload[len(payload)-3:], []byte{0, 8, 0})
	b := appendFrame(make([]byte, start), seed, frame{typ: frameEntry, log: 3, seq: 9, offset: start, batch: 900, payload: payload})
	b[2049] = 0
	if at, _, found := look(b); found {
		t.Errorf("without the last sector: byte %d is said to be damaged", at)
	}
}
