package local

import (
	"encoding/binary"
	"fmt"

	"github.com/phyllodb/phyllo/engine/store"
)

// head is the state of a sequence when a log file was begun: what the newest
// file's head does not list, does not exist.
type head struct {
	next  uint64 // number for the next new log
	files []headFile
	logs  []headLog
}

// headFile is an older file that is still needed, and how far it is valid:
// what may lie behind was never acknowledged and is void for ever.
type headFile struct {
	number uint64
	valid  int64
}

type headLog struct {
	number      uint64
	id          store.LogID
	first, last uint64 // entries first to last are kept; first = last+1: none
}

const headVersion = 1

// headBytes is what the log takes in a head.
func (l *logState) headBytes() int64 { return 8 + 8 + 8 + 1 + 4 + int64(len(l.id.Key)) }

// append appends the payload of a head frame.
func (h *head) append(dst []byte) []byte {
	dst = append(dst, headVersion)
	dst = binary.LittleEndian.AppendUint64(dst, h.next)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.files)))
	for _, f := range h.files {
		dst = binary.LittleEndian.AppendUint64(dst, f.number)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(f.valid))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.logs)))
	for _, l := range h.logs {
		dst = binary.LittleEndian.AppendUint64(dst, l.number)
		dst = binary.LittleEndian.AppendUint64(dst, l.first)
		dst = binary.LittleEndian.AppendUint64(dst, l.last)
		dst = append(dst, byte(l.id.Kind))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.id.Key)))
		dst = append(dst, l.id.Key...)
	}
	return dst
}

// reader takes fixed-size values from bytes that nobody vouches for.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// parseHead reads the payload of a head frame. Counts are not trusted: each
// item takes its bytes from the payload before the next is made room for.
func parseHead(b []byte) (*head, error) {
	r := &reader{b: b}
	if v := r.u8(); v != headVersion {
		return nil, fmt.Errorf("%w: head of version %d", errBadFrame, v)
	}
	h := &head{next: r.u64()}
	for n := r.u32(); n > 0 && !r.bad; n-- {
		f := headFile{number: r.u64(), valid: int64(r.u64())}
		if f.valid < 0 {
			r.bad = true
		}
		h.files = append(h.files, f)
	}
	for n := r.u32(); n > 0 && !r.bad; n-- {
		l := headLog{number: r.u64(), first: r.u64(), last: r.u64()}
		l.id.Kind = store.LogKind(r.u8())
		l.id.Key = string(r.bytes(uint64(r.u32())))
		if l.first == 0 || l.last == ^uint64(0) || l.first > l.last+1 || l.number >= h.next {
			r.bad = true
		}
		h.logs = append(h.logs, l)
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: head does not parse", errBadFrame)
	}
	return h, nil
}
