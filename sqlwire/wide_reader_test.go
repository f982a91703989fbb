package sqlwire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// However wide it is and however it is asked, all must come in order, and the
// source's error after it.
func TestWideReader(t *testing.T) {
	const seed = 3
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	broken := errors.New("broken")
	for range 50 {
		want := make([]byte, r.IntN(5*wideBytes))
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		var src io.Reader = io.MultiReader(bytes.NewReader(want), iotest.ErrReader(broken))
		if r.IntN(2) == 0 {
			src = iotest.DataErrReader(src)
		}
		in := &wideReader{src: src}
		var got []byte
		var err error
		for err == nil {
			in.wide = r.IntN(2) == 0
			p := make([]byte, 1+r.IntN(wideBytes))
			var n int
			n, err = in.Read(p)
			got = append(got, p[:n]...)
		}
		if err != broken || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes and %v, want %d", len(got), err, len(want))
		}
	}
}
