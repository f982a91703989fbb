package commitlog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// maxWriterBytes bounds the name of a writer.
const maxWriterBytes = 255

// A Source names a source log: a writer and the epoch that it chose at random
// when it opened. The zero value is no source.
type Source struct {
	Writer string // 1 to 255 bytes
	Epoch  uint64
}

// String returns the key of the source's log: the writer, "/", and the epoch in
// 16 lower-case hexadecimal digits.
func (s Source) String() string { return fmt.Sprintf("%s/%016x", s.Writer, s.Epoch) }

// Compare orders sources by writer and epoch.
func (s Source) Compare(t Source) int {
	return cmp.Or(strings.Compare(s.Writer, t.Writer), cmp.Compare(s.Epoch, t.Epoch))
}

func (s Source) valid() bool { return s.Writer != "" && len(s.Writer) <= maxWriterBytes }

// ParseSource reads what Source.String wrote, and nothing else.
func ParseSource(key string) (Source, error) {
	i := strings.LastIndexByte(key, '/')
	if i >= 0 {
		epoch, err := strconv.ParseUint(key[i+1:], 16, 64)
		if s := (Source{Writer: key[:i], Epoch: epoch}); err == nil && s.valid() && s.String() == key {
			return s, nil
		}
	}
	return Source{}, fmt.Errorf("commitlog: %q is not the key of a source log", key)
}

// An Interval is the positions p of a source with From < p <= To.
type Interval struct {
	Source   Source
	From, To uint64
}

// A Position is how far a source has been read: its positions up to Pos.
type Position struct {
	Source Source
	Pos    uint64
}
