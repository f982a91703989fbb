package commitlog

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// appendManifest appends the binary form of a manifest, which is what a
// checkpoint holds. What is not in clean pages is in it in full.
func appendManifest(dst []byte, m *Manifest) []byte {
	version := byte(manifestVersion)
	if m.historyFrom > 0 {
		version = historyManifest
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, m.seq)
	dst = appendStored(appendStored(dst, m.base), m.previous)
	dst = binary.AppendUvarint(dst, m.schema)
	dst = append(dst, m.horizon[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(m.recent)))
	for i := range m.recent {
		dst = append(dst, m.recent[i][:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.sources)))
	for _, s := range m.sources {
		dst = binary.AppendUvarint(appendSource(dst, s.Source), s.Folded)
		if s.Owner == s.Source {
			dst = append(dst, 0)
		} else {
			dst = appendSource(append(dst, 1), s.Owner)
		}
	}
	dst = appendSources(dst, m.ended)
	dst = append(dst, 0) // the list of tombstones, which is reserved
	dst = binary.AppendUvarint(dst, uint64(m.slices.n))
	for s := range m.slices.all() {
		dst = binary.AppendVarint(dst, s.Slice)
		dst = binary.AppendUvarint(dst, uint64(s.Chunks))
		dst = binary.AppendUvarint(dst, uint64(s.Rows))
		dst = binary.AppendUvarint(dst, uint64(s.Bytes))
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.pages)))
	for _, p := range m.pages {
		dst = appendPageRef(dst, p)
	}
	dst = binary.AppendUvarint(dst, uint64(m.garbage.n))
	for g := range m.garbage.all() {
		dst = binary.AppendVarint(dst, g.Removed.UnixMicro())
		dst = chunk.AppendEntry(dst, g.Entry)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.retired)))
	for _, p := range m.retired {
		dst = appendStored(dst, p.storedName)
		dst = binary.AppendVarint(dst, p.at.UnixMicro())
	}
	if version == historyManifest {
		dst = binary.AppendUvarint(dst, m.historyFrom)
	}
	return dst
}

// decodeManifest reads what appendManifest wrote, all of src, or what it wrote in
// version 1, which had no pages. Errors wrap chunk.ErrCorrupt, chunk.ErrNewerFormat or
// ErrOlderFormat. The manifest holds on to nothing of src.
func decodeManifest(src []byte) (*Manifest, error) {
	r := &reader{b: src}
	version, err := r.version("checkpoint", historyManifest)
	if err != nil {
		return nil, err
	}
	base := r.stored
	if version == 1 {
		base = func() storedName { return storedName{seq: r.uvarint()} }
	}
	m := &Manifest{seq: r.uvarint(), base: base(), previous: base(), schema: r.uvarint(), horizon: r.chunkID()}
	m.recent = many(r, len(CommitID{}), r.commitID)
	m.sources = many(r, sourceBytes+2, r.sourceState)
	m.ended = r.sources()
	if r.uvarint() > 0 {
		return nil, olderFormat("checkpoint %d with deletes of rows by predicates", m.seq)
	}
	var chunks []*chunk.Entry
	var infos []SliceInfo
	if version == 1 {
		chunks = r.entries()
	} else {
		infos = many(r, 4, func() SliceInfo {
			return SliceInfo{Slice: r.varint(), Chunks: r.int(), Rows: int64(r.int()), Bytes: int64(r.int())}
		})
		m.pages = many(r, 2, r.pageRef)
	}
	garbage := many(r, entryBytes+1, func() Garbage {
		removed := time.UnixMicro(r.varint()).UTC()
		return Garbage{Removed: removed, Entry: r.entry()}
	})
	if version > 1 {
		m.retired = many(r, len(storedName{}.hash)+2, func() retiredPage {
			return retiredPage{storedName: r.stored(), at: time.UnixMicro(r.varint()).UTC()}
		})
	}
	if version == historyManifest {
		m.historyFrom = r.uvarint()
	}
	if err := r.end("checkpoint"); err != nil {
		return nil, err
	}
	for b := range slices.Chunk(chunks, defaultPageSizes.most) {
		m.pages = append(m.pages, newPage(b))
	}
	m.garbage, m.slices = newList(garbage), newList(infos)
	for _, check := range []func() error{m.checkHead, m.checkPages, m.checkGarbage, func() error { return m.sum(version) }} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// int reads a number that is not negative.
func (r *reader) int() int {
	n := r.uvarint()
	if n > math.MaxInt64 {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) sourceState() SourceState {
	s := SourceState{Source: r.source(), Folded: r.uvarint()}
	s.Owner = s.Source
	switch r.byte() {
	case 0:
	case 1:
		s.Owner = r.source()
	default:
		r.bad = true
	}
	return s
}

// checkHead refuses states that no log folds to, as far as the rest relies on it.
func (m *Manifest) checkHead() error {
	switch {
	case m.base.seq != 0 && m.base.seq >= m.seq || m.previous.seq != 0 && m.previous.seq >= m.base.seq:
		return corrupt("checkpoint %d, with %v and %v before it", m.seq, m.base, m.previous)
	case uint64(len(m.recent)) != min(m.seq, recentLimit) || len(m.ended) > endedLimit:
		return corrupt("checkpoint %d has %d commit IDs and %d ended sources", m.seq, len(m.recent), len(m.ended))
	}
	for i, s := range m.sources {
		if !s.Source.valid() || !s.Owner.valid() || i > 0 && m.sources[i-1].Source.Compare(s.Source) >= 0 {
			return corrupt("checkpoint %d: source %v is out of order", m.seq, s.Source)
		}
	}
	return nil
}

// checkPages refuses pages that are not in order, and chunks in the checkpoint
// itself that are there twice.
func (m *Manifest) checkPages() error {
	seen := map[chunk.ID]bool{}
	for i, p := range m.pages {
		if p.stored != nil && p.stored.seq > m.seq || p.first.compare(p.last) > 0 || i > 0 && m.pages[i-1].last.compare(p.first) >= 0 {
			return corrupt("checkpoint %d: page %d is out of order", m.seq, i)
		}
		for k, e := range p.added {
			if e.From > m.seq || k > 0 && compareChunks(p.added[k-1], e) >= 0 {
				return corrupt("checkpoint %d: chunk %v is out of order", m.seq, e.ID)
			}
			if _, gone := m.discarded(e.ID); gone || seen[e.ID] {
				return corrupt("checkpoint %d: chunk %v twice", m.seq, e.ID)
			}
			seen[e.ID] = true
		}
	}
	return nil
}

func (m *Manifest) checkGarbage() error {
	var last *chunk.Entry
	for g := range m.garbage.all() {
		if last != nil && compareIDs(last.ID, g.Entry.ID) >= 0 {
			return corrupt("checkpoint %d: removed chunk %v is out of order", m.seq, g.Entry.ID)
		}
		last = g.Entry
	}
	return nil
}

// sum makes the sums over all chunks. Version 1 had those of slices not.
func (m *Manifest) sum(version byte) error {
	if version == 1 {
		infos := m.slices.edit(compareSlices)
		for _, p := range m.pages {
			for _, e := range p.added {
				m.tally(infos, e, 1)
			}
		}
		m.slices = infos.done()
		return nil
	}
	for _, p := range m.pages {
		m.count += p.count
	}
	n, last := 0, int64(math.MinInt64)
	for s := range m.slices.all() {
		if s.Chunks < 1 || s.Chunks > m.count-n || n > 0 && s.Slice <= last {
			return corrupt("checkpoint %d: slice %d is out of order, or has %d chunks", m.seq, s.Slice, s.Chunks)
		}
		n, last = n+s.Chunks, s.Slice
		m.rows += s.Rows
		m.bytes += s.Bytes
	}
	if n != m.count {
		return corrupt("checkpoint %d: %d chunks in pages, %d in slices", m.seq, m.count, n)
	}
	return nil
}

// appendCheckpoint appends a checkpoint of a log.
func appendCheckpoint(dst []byte, log store.LogID, m *Manifest) []byte {
	start := len(dst)
	dst = appendManifest(append(dst, checkpointMagic...), m)
	return binary.LittleEndian.AppendUint32(dst, checksum(log, m.seq, dst[start:]))
}

// parseCheckpoint reads the checkpoint of a log by its name.
func parseCheckpoint(log store.LogID, name storedName, data []byte) (*Manifest, error) {
	body, err := checked(log, name.seq, data)
	if err != nil {
		return nil, err
	}
	if name.hash != [16]byte{} && nameOf(name.seq, data) != name {
		return nil, corrupt("it is another one than %v", name)
	}
	if len(body) < len(checkpointMagic) || string(body[:len(checkpointMagic)]) != checkpointMagic {
		return nil, corrupt("not a checkpoint")
	}
	m, err := decodeManifest(body[len(checkpointMagic):])
	if err != nil {
		return nil, err
	}
	if m.seq != name.seq {
		return nil, corrupt("checkpoint %d has the name of %v", m.seq, name)
	}
	m.anchor = name
	return m, nil
}

const checkpointMagic = "PHYLMAN1"
