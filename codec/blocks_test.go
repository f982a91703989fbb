package codec

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
)

// TestUnpackTakesLittle unpacks frames that hold far more than whoever wrote down their size
// says: no memory is taken for it.
func TestUnpackTakesLittle(t *testing.T) {
	text := bytes.Repeat([]byte("abcdefgh"), 1000)
	whole := Pack(nil, text)
	large := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3} // of unknown size, a window of 128 KiB
	const blocks = 512
	for i := range blocks {
		header := 128<<10<<3 | 1<<1 // one byte again and again
		if i == blocks-1 {
			header |= 1
		}
		large = append(large, byte(header), byte(header>>8), byte(header>>16), 'x')
	}
	for name, src := range map[string][]byte{"one frame": large, "a second frame": append(bytes.Clone(whole), large...)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Unpack(src, len(text))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: %d MiB for %d bytes", name, n>>20, len(text))
		}
	}
	if got, err := Unpack(whole, len(text)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
	all := bytes.Repeat([]byte{'x'}, blocks*128<<10)
	if got, err := Unpack(large, len(all)); err != nil || !bytes.Equal(got, all) {
		t.Errorf("%d bytes of %d, %v", len(got), len(all), err)
	}
}
