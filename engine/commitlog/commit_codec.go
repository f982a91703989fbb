package commitlog

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Versions of the formats; format.md draws them.
const (
	commitVersion     = 1
	checkpointVersion = 2 // of Checkpoint commits; those of version 1 have no hash
	recordVersion     = 2 // those of version 1 have no hash of the checkpoint
	manifestVersion   = 2 // decodeManifest reads 1 too
	historyManifest   = 3 // of those with a HistoryFrom
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendCommit appends the binary form of a commit that a log could hold.
func AppendCommit(dst []byte, c *Commit) []byte {
	version := byte(commitVersion)
	if c.Kind == Checkpoint {
		version = checkpointVersion
	}
	dst = append(dst, version, byte(c.Kind))
	dst = append(dst, c.ID[:]...)
	dst = binary.AppendVarint(dst, c.Time.UnixMicro())
	dst = appendSource(dst, c.By)
	dst = binary.AppendUvarint(dst, c.Schema)
	switch c.Kind {
	case Flush:
		dst = appendIntervals(dst, c.Sources)
		dst = appendSources(dst, c.Seals)
		dst = appendEntries(dst, c.Adds)
	case Compaction:
		dst = appendChunkIDs(dst, c.Removes)
		dst = appendEntries(dst, c.Adds)
	case Retention:
		dst = appendIntervals(dst, c.Sources)
		dst = appendChunkIDs(dst, c.Removes)
	case Horizon:
		dst = append(dst, c.Horizon[:]...)
		dst = appendChunkIDs(dst, c.Freed)
	case Checkpoint:
		dst = append(binary.AppendUvarint(dst, c.Base), c.BaseHash[:]...)
		dst = appendSources(dst, c.Forget)
	}
	return dst
}

// DecodeCommit reads what AppendCommit wrote, all of src. Errors wrap
// chunk.ErrCorrupt, chunk.ErrNewerFormat or ErrOlderFormat. The commit holds on to
// nothing of src.
func DecodeCommit(src []byte) (*Commit, error) {
	r := &reader{b: src}
	version, err := r.version("commit", checkpointVersion)
	if err != nil {
		return nil, err
	}
	c := &Commit{Kind: Kind(r.byte())}
	if version == checkpointVersion && c.Kind != Checkpoint {
		return nil, corrupt("%v commit of version %d", c.Kind, version)
	}
	if c.Kind == removedDelete {
		return nil, olderFormat("commit that deletes rows by a predicate")
	}
	c.ID = r.commitID()
	c.Time = time.UnixMicro(r.varint()).UTC()
	c.By = r.source()
	c.Schema = r.uvarint()
	switch c.Kind {
	case Flush:
		c.Sources = r.intervals()
		c.Seals = r.sources()
		c.Adds = r.entries()
	case Compaction:
		c.Removes = r.chunkIDs()
		c.Adds = r.entries()
	case Retention:
		c.Sources = r.intervals()
		c.Removes = r.chunkIDs()
	case Horizon:
		c.Horizon = r.chunkID()
		c.Freed = r.chunkIDs()
	case Checkpoint:
		c.Base = r.uvarint()
		if version == checkpointVersion {
			copy(c.BaseHash[:], r.take(len(c.BaseHash)))
		}
		c.Forget = r.sources()
	}
	if err := r.end("commit"); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, corrupt("commit %v: %v", c.ID, err)
	}
	return c, nil
}

// appendRecord appends a log's entry: the checkpoint that readers begin with
// once they have read this far, and the commit.
func appendRecord(dst []byte, log store.LogID, seq uint64, base storedName, c *Commit) []byte {
	start := len(dst)
	dst = appendStored(append(dst, recordVersion), base)
	dst = AppendCommit(dst, c)
	return binary.LittleEndian.AppendUint32(dst, checksum(log, seq, dst[start:]))
}

// parseRecord checks an entry and takes it apart.
func parseRecord(log store.LogID, e store.Entry) (base storedName, commit []byte, err error) {
	body, err := checked(log, e.Seq, e.Data)
	if err != nil {
		return base, nil, err
	}
	r := &reader{b: body}
	version, err := r.version("entry", recordVersion)
	switch {
	case err != nil:
		return base, nil, err
	case version == 1:
		base.seq = r.uvarint()
	default:
		base = r.stored()
	}
	if r.bad {
		return base, nil, corrupt("entry of %d bytes", len(e.Data))
	}
	return base, r.b, nil
}

// checksum is over the place that the bytes belong to as well, so that none
// pass for those of another log or sequence number.
func checksum(log store.LogID, seq uint64, data []byte) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], seq)
	crc := crc32.Update(crc32.Checksum([]byte(log.Key), castagnoli), castagnoli, place[:])
	return crc32.Update(crc, castagnoli, data)
}

// checked returns the bytes before the checksum, which must be right.
func checked(log store.LogID, seq uint64, data []byte) ([]byte, error) {
	if len(data) < 4 {
		return nil, corrupt("%d bytes are too few", len(data))
	}
	body := data[:len(data)-4]
	if want, got := binary.LittleEndian.Uint32(data[len(body):]), checksum(log, seq, body); want != got {
		return nil, corrupt("checksum is %08x, should be %08x", got, want)
	}
	return body, nil
}

func appendPart[T ~string | ~[]byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendSource(dst []byte, s Source) []byte {
	return binary.LittleEndian.AppendUint64(appendPart(dst, s.Writer), s.Epoch)
}

func appendSources(dst []byte, sources []Source) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(sources)))
	for _, s := range sources {
		dst = appendSource(dst, s)
	}
	return dst
}

func appendIntervals(dst []byte, intervals []Interval) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(intervals)))
	for _, i := range intervals {
		dst = appendSource(dst, i.Source)
		dst = binary.AppendUvarint(dst, i.From)
		dst = binary.AppendUvarint(dst, i.To)
	}
	return dst
}

func appendChunkIDs(dst []byte, ids []chunk.ID) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	for i := range ids {
		dst = append(dst, ids[i][:]...)
	}
	return dst
}

func appendEntries(dst []byte, entries []*chunk.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	for _, e := range entries {
		dst = chunk.AppendEntry(dst, e)
	}
	return dst
}

func (r *reader) intervals() []Interval {
	return many(r, sourceBytes+2, func() Interval { return Interval{Source: r.source(), From: r.uvarint(), To: r.uvarint()} })
}

func (r *reader) entries() []*chunk.Entry { return many(r, entryBytes, r.entry) }
