package commitlog

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// Kind is what a commit does.
type Kind uint8

const (
	// Flush adds chunks with the rows of positions of sources.
	Flush Kind = iota + 1
	// Compaction replaces chunks by others with the same rows, less deleted ones.
	Compaction
	// removedDelete is of early versions, which deleted rows by a predicate with it.
	removedDelete
	// Retention removes chunks and skips positions of sources: it is what
	// retention and TRUNCATE do.
	Retention
	// Horizon makes chunks that are older and unnamed void, and notes which
	// removed chunks have been freed.
	Horizon
	// Checkpoint says which checkpoint readers begin with. Logs append it themselves.
	Checkpoint
)

func (k Kind) String() string {
	names := [...]string{Flush: "flush", Compaction: "compaction", Retention: "retention", Horizon: "horizon", Checkpoint: "checkpoint"}
	if int(k) >= len(names) || names[k] == "" {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// A CommitID is a unique number, made at random.
type CommitID [16]byte

// NewCommitID returns a new ID.
func NewCommitID() (id CommitID) {
	rand.Read(id[:]) // never fails
	return id
}

func (id CommitID) String() string { return hex.EncodeToString(id[:]) }

// A Commit is one entry of a commit log. Which fields a kind has is said at
// each; the others are empty. Log.Commit fills in ID and Time if they are zero.
// From then on neither the commit nor what it points to may be changed: a retry
// must be the same commit, and manifests keep the entries.
type Commit struct {
	ID   CommitID
	Time time.Time // by the committer's clock, to the microsecond
	Kind Kind
	// By is the committer's own source; required of flushes, whose right to the
	// intervals it decides.
	By Source
	// Schema is the schema version that the commit was made under.
	Schema uint64

	// Adds are new chunks, whose blobs are durable (Flush, Compaction).
	// Entry.From is the sequence number of the manifest that they were made from.
	Adds []*chunk.Entry
	// Removes are live chunks (Compaction, Retention).
	Removes []chunk.ID
	// Sources are the positions that are folded into Adds (Flush) or skipped
	// (Retention, where From = To skips nothing and only asks that nothing more
	// has been folded). At most one interval a source.
	Sources []Interval
	// Seals are sources that By takes over (Flush, which may have nothing else):
	// from this commit on only By flushes them. They are sealed in their own logs
	// first, so that they have an end. Kafka's sources are claimed in this way.
	Seals []Source
	// Horizon is the least chunk ID that later commits may add (Horizon).
	Horizon chunk.ID
	// Freed are removed chunks whose blobs are gone (Horizon).
	Freed []chunk.ID
	// Base is the sequence number of a durable checkpoint, and BaseHash the beginning
	// of the SHA-256 of its bytes, by which it is named (Checkpoint).
	Base     uint64
	BaseHash [16]byte
	// Forget are sources whose logs are gone for good (Checkpoint).
	Forget []Source
	// anchor is the checkpoint that the one at Base descends from (Checkpoint). It
	// is known to who commits, and not written.
	anchor storedName
}

// check refuses commits whose fields do not fit their kind.
func (c *Commit) check() error {
	switch {
	case c.ID == CommitID{}:
		return malformed("no ID")
	case int(c.Kind) >= len(fieldsOf) || fieldsOf[c.Kind] == 0:
		return malformed("kind %d", uint8(c.Kind))
	case c.By != Source{} && !c.By.valid():
		return malformed("committer %q", c.By.Writer)
	}
	if err := c.checkFields(); err != nil {
		return fmt.Errorf("%v: %w", c.Kind, err)
	}
	if err := c.checkSources(); err != nil {
		return fmt.Errorf("%v: %w", c.Kind, err)
	}
	if err := c.checkChunks(); err != nil {
		return fmt.Errorf("%v: %w", c.Kind, err)
	}
	return nil
}

// fields is a set of fields of a commit.
type fields uint16

const (
	hasAdds fields = 1 << iota
	hasRemoves
	hasSources
	hasSeals
	hasHorizon
	hasFreed
	hasBase
	hasForget
)

// fieldsOf says which fields a kind may have.
var fieldsOf = [...]fields{
	Flush:      hasAdds | hasSources | hasSeals,
	Compaction: hasAdds | hasRemoves,
	Retention:  hasRemoves | hasSources,
	Horizon:    hasHorizon | hasFreed,
	Checkpoint: hasBase | hasForget,
}

func (c *Commit) fields() (f fields) {
	for i, has := range [...]bool{
		len(c.Adds) > 0, len(c.Removes) > 0, len(c.Sources) > 0, len(c.Seals) > 0,
		c.Horizon != chunk.ID{}, len(c.Freed) > 0, c.Base != 0, len(c.Forget) > 0,
	} {
		if has {
			f |= 1 << i
		}
	}
	return f
}

// checkFields refuses fields that the kind has not, and misses those it must have.
func (c *Commit) checkFields() error {
	f := c.fields()
	if f&^fieldsOf[c.Kind] != 0 {
		return malformed("has fields of other kinds (%08b)", f&^fieldsOf[c.Kind])
	}
	complete := false
	switch c.Kind {
	case Flush:
		complete = c.By.valid() && (f&hasSources != 0 || f == hasSeals)
	case Compaction:
		complete = f&hasRemoves != 0
	case Retention:
		complete = f != 0
	case Horizon:
		complete = f&hasHorizon != 0
	case Checkpoint:
		complete = f&hasBase != 0
	}
	if !complete {
		return malformed("is not complete (%08b)", f)
	}
	return nil
}

func (c *Commit) checkSources() error {
	seen := map[Source]bool{}
	once := func(s Source) error {
		if !s.valid() {
			return malformed("source %q", s.Writer)
		}
		if seen[s] {
			return malformed("source %v twice", s)
		}
		seen[s] = true
		return nil
	}
	for _, i := range c.Sources {
		if err := once(i.Source); err != nil {
			return err
		}
		if i.From > i.To || i.From == i.To && c.Kind == Flush {
			return malformed("interval from %d to %d of source %v", i.From, i.To, i.Source)
		}
	}
	clear(seen)
	for _, s := range c.Seals {
		if err := once(s); err != nil {
			return err
		}
		if s == c.By {
			return malformed("%v seals itself", s)
		}
	}
	for _, s := range c.Forget {
		if err := once(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *Commit) checkChunks() error {
	seen := make(map[chunk.ID]bool, len(c.Adds)+len(c.Removes))
	for _, e := range c.Adds {
		if e.Rows < 1 || e.Rows > chunk.MaxRows || seen[e.ID] {
			return malformed("chunk %v of %d rows twice, or of no possible size", e.ID, e.Rows)
		}
		seen[e.ID] = true
	}
	for _, id := range c.Removes {
		if seen[id] {
			return malformed("chunk %v twice", id)
		}
		seen[id] = true
	}
	return nil
}
