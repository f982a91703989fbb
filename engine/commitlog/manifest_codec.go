package commitlog

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// AppendManifest appends the binary form of a manifest, which is what a
// checkpoint holds.
func AppendManifest(dst []byte, m *Manifest) []byte {
	dst = append(dst, manifestVersion)
	dst = binary.AppendUvarint(dst, m.seq)
	dst = binary.AppendUvarint(dst, m.base)
	dst = binary.AppendUvarint(dst, m.previous)
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
	dst = binary.AppendUvarint(dst, uint64(len(m.tombstones)))
	for _, t := range m.tombstones {
		dst = binary.AppendUvarint(dst, t.Seq)
		dst = binary.AppendUvarint(dst, t.Schema)
		dst = appendTombstone(dst, t.Tombstone)
	}
	dst = binary.AppendUvarint(dst, uint64(m.chunks.n))
	for e := range m.chunks.all() {
		dst = chunk.AppendEntry(dst, e)
	}
	dst = binary.AppendUvarint(dst, uint64(m.garbage.n))
	for g := range m.garbage.all() {
		dst = binary.AppendVarint(dst, g.Removed.UnixMicro())
		dst = chunk.AppendEntry(dst, g.Entry)
	}
	return dst
}

// DecodeManifest reads what AppendManifest wrote, all of src. Errors wrap
// chunk.ErrCorrupt, or chunk.ErrNewerFormat. The manifest holds on to nothing of src.
func DecodeManifest(src []byte) (*Manifest, error) {
	r := &reader{b: src}
	if err := r.version("checkpoint", manifestVersion); err != nil {
		return nil, err
	}
	m := &Manifest{seq: r.uvarint(), base: r.uvarint(), previous: r.uvarint(), schema: r.uvarint(), horizon: r.chunkID()}
	m.recent = many(r, len(CommitID{}), r.commitID)
	m.sources = many(r, sourceBytes+2, r.sourceState)
	m.ended = r.sources()
	m.tombstones = many(r, 4, func() tombstone {
		seq, schema := r.uvarint(), r.uvarint()
		t := r.tombstone()
		t.Seq, t.Schema = seq, schema
		return tombstone{Tombstone: t}
	})
	chunks := r.entries()
	garbage := many(r, entryBytes+1, func() Garbage {
		removed := time.UnixMicro(r.varint()).UTC()
		return Garbage{Removed: removed, Entry: r.entry()}
	})
	if err := r.end("checkpoint"); err != nil {
		return nil, err
	}
	if err := m.checkOrder(chunks, garbage); err != nil {
		return nil, err
	}
	if err := m.index(chunks, garbage); err != nil {
		return nil, err
	}
	return m, nil
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

// checkOrder refuses states that no log folds to, as far as the rest relies on it.
func (m *Manifest) checkOrder(chunks []*chunk.Entry, garbage []Garbage) error {
	switch {
	case m.base != 0 && m.base >= m.seq || m.previous != 0 && m.previous >= m.base:
		return corrupt("checkpoint %d, with %d and %d before it", m.seq, m.base, m.previous)
	case uint64(len(m.recent)) != min(m.seq, recentLimit) || len(m.ended) > endedLimit:
		return corrupt("checkpoint %d has %d commit IDs and %d ended sources", m.seq, len(m.recent), len(m.ended))
	}
	for i, s := range m.sources {
		if !s.Source.valid() || !s.Owner.valid() || i > 0 && m.sources[i-1].Source.Compare(s.Source) >= 0 {
			return corrupt("checkpoint %d: source %v is out of order", m.seq, s.Source)
		}
	}
	for i, t := range m.tombstones {
		if t.Seq == 0 || t.Seq > m.seq || i > 0 && m.tombstones[i-1].Seq >= t.Seq {
			return corrupt("checkpoint %d: tombstone of commit %d is out of order", m.seq, t.Seq)
		}
	}
	for i, e := range chunks {
		if e.Tombstones > m.seq || i > 0 && compareChunks(chunks[i-1], e) >= 0 {
			return corrupt("checkpoint %d: chunk %v is out of order", m.seq, e.ID)
		}
	}
	for i, g := range garbage {
		if i > 0 && compareGarbage(garbage[i-1], g) >= 0 {
			return corrupt("checkpoint %d: removed chunk %v is out of order", m.seq, g.Entry.ID)
		}
	}
	return nil
}

// index makes what is not stored of what is.
func (m *Manifest) index(chunks []*chunk.Entry, garbage []Garbage) error {
	m.chunks, m.garbage = newList(chunks), newList(garbage)
	byID := slices.Clone(chunks)
	slices.SortFunc(byID, compareByID)
	for i, e := range byID {
		if _, gone := m.discarded(e.ID); gone || i > 0 && byID[i-1].ID == e.ID {
			return corrupt("checkpoint %d: chunk %v twice", m.seq, e.ID)
		}
	}
	m.byID = newList(byID)
	infos := m.slices.edit(compareSlices)
	for _, e := range chunks {
		m.count(infos, e, 1)
		for i, t := range m.tombstones {
			if t.Concerns(e) {
				m.tombstones[i].pending++
			}
		}
	}
	m.slices = infos.done()
	return nil
}

// appendCheckpoint appends a checkpoint of a log.
func appendCheckpoint(dst []byte, log store.LogID, m *Manifest) []byte {
	start := len(dst)
	dst = AppendManifest(append(dst, checkpointMagic...), m)
	return binary.LittleEndian.AppendUint32(dst, checksum(log, m.seq, dst[start:]))
}

// parseCheckpoint reads the checkpoint of a log at a sequence number.
func parseCheckpoint(log store.LogID, seq uint64, data []byte) (*Manifest, error) {
	body, err := checked(log, seq, data)
	if err != nil {
		return nil, err
	}
	if len(body) < len(checkpointMagic) || string(body[:len(checkpointMagic)]) != checkpointMagic {
		return nil, corrupt("not a checkpoint")
	}
	m, err := DecodeManifest(body[len(checkpointMagic):])
	if err == nil && m.seq != seq {
		err = corrupt("checkpoint %d has the name of %d", m.seq, seq)
	}
	return m, err
}

const checkpointMagic = "PHYLMAN1"
