package commitlog

import (
	"encoding/binary"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

const pageMagic = "PHYLPAG1"

// appendPage appends the bytes of a page of the checkpoint at a sequence number.
func appendPage(dst []byte, seq uint64, entries []*chunk.Entry) []byte {
	dst = binary.AppendUvarint(append(dst, pageMagic...), seq)
	return appendEntries(dst, entries)
}

// parsePage reads a stored page, whose name is its checksum.
func parsePage(data []byte, name storedName) ([]*chunk.Entry, error) {
	if nameOf(name.seq, data) != name {
		return nil, corrupt("its checksum is wrong")
	}
	return decodePage(data, name.seq)
}

// decodePage reads what appendPage wrote. It holds on to nothing of data.
func decodePage(data []byte, seq uint64) ([]*chunk.Entry, error) {
	r := &reader{b: data}
	if string(r.take(len(pageMagic))) != pageMagic {
		return nil, corrupt("not a page")
	}
	if n := r.uvarint(); n != seq {
		return nil, corrupt("of checkpoint %d, its name says %d", n, seq)
	}
	entries := r.entries()
	if err := r.end("page"); err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, corrupt("no chunks")
	}
	for i, e := range entries {
		if e.From > seq || i > 0 && compareChunks(entries[i-1], e) >= 0 {
			return nil, corrupt("chunk %v is out of order", e.ID)
		}
	}
	return entries, nil
}

// Kinds of pages in a checkpoint.
const (
	pageHere   = 0
	pageStored = 1
)

// appendPageRef appends what a checkpoint has of a page.
func appendPageRef(dst []byte, p *page) []byte {
	if p.stored == nil {
		return appendEntries(append(dst, pageHere), p.added)
	}
	if !p.clean() {
		panic("commitlog: bug: a page is written that is not what is stored")
	}
	dst = appendStored(append(dst, pageStored), *p.stored)
	dst = appendPlace(appendPlace(dst, p.first), p.last)
	dst = appendPart(dst, p.keyMax)
	dst = binary.AppendVarint(dst, int64(p.time.Min))
	dst = binary.AppendVarint(dst, int64(p.time.Max))
	dst = binary.AppendUvarint(dst, p.versionMax)
	dst = binary.AppendUvarint(dst, uint64(p.count))
	for _, f := range p.prints {
		dst = binary.LittleEndian.AppendUint64(dst, f)
	}
	return dst
}

func appendStored(dst []byte, n storedName) []byte {
	return append(binary.AppendUvarint(dst, n.seq), n.hash[:]...)
}

func appendPlace(dst []byte, p place) []byte {
	dst = appendPart(binary.AppendVarint(dst, p.slice), p.key)
	return append(dst, p.id[:]...)
}

func (r *reader) pageRef() *page {
	switch r.byte() {
	case pageHere:
		entries := r.entries()
		if r.bad || len(entries) == 0 {
			r.bad = true
			return nil
		}
		return newPage(entries)
	case pageStored:
	default:
		r.bad = true
		return nil
	}
	stored := r.stored()
	p := &page{stored: &stored, summary: summary{first: r.place(), last: r.place(), keyMax: slices.Clone(r.part())}}
	p.time = chunk.TimeRange{Min: datum.Micros(r.varint()), Max: datum.Micros(r.varint())}
	p.versionMax = r.uvarint()
	p.prints = many(r, 8, r.fingerprint)
	p.count = len(p.prints)
	r.bad = r.bad || p.count == 0 || !slices.IsSorted(p.prints)
	return p
}

func (r *reader) stored() (n storedName) {
	n.seq = r.uvarint()
	copy(n.hash[:], r.take(len(n.hash)))
	return n
}

func (r *reader) place() place {
	return place{slice: r.varint(), key: slices.Clone(r.part()), id: r.chunkID()}
}

func (r *reader) fingerprint() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
