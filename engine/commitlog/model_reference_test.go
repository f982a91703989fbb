package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// reference is what the logs say, read entry by entry as they grow: the rows of
// the source logs, less those that retention and truncation took away.
type reference struct {
	sources []Source          // in the order of their first entry
	heads   map[Source]uint64 // as far as read; of dropped logs the last
	rows    []refRow
	byValue map[int]int // index into rows

	manifest *Manifest
	seen     map[CommitID]uint64 // sequence numbers of commits in the log
	owners   map[Source]Source   // by the seals in the log
	// intents say what a commit is meant to do to the rows.
	intents map[CommitID]func(r refRow) bool
	void    map[CommitID]error // commits that were said not to be in the log, ever
	blobs   map[chunk.ID][]int // contents, by the process that made the chunk
}

// refRow is a row that was committed, and the commit that removed it.
type refRow struct {
	row
	gone uint64 // sequence number, 0 if none
}

func newReference() reference {
	return reference{
		heads: map[Source]uint64{}, byValue: map[int]int{}, manifest: &Manifest{}, seen: map[CommitID]uint64{},
		intents: map[CommitID]func(refRow) bool{}, void: map[CommitID]error{},
		owners: map[Source]Source{},
	}
}

// snapshot is what a reader sees: the commit log up to seq, and the source logs
// up to heads.
type snapshot struct {
	seq   uint64
	heads map[Source]uint64
}

// expected returns the values that the snapshot must show, sorted.
func (r *reference) expected(s snapshot) (values []int) {
	for _, row := range r.rows {
		if row.pos <= s.heads[row.source] && (row.gone == 0 || row.gone > s.seq) {
			values = append(values, row.value)
		}
	}
	slices.Sort(values)
	return values
}

// check reads what the logs have gained and compares the rows that are to be
// seen now. reopened: also what a process finds that opens the log now.
func (w *world) check(reopened bool) {
	if w.failure != nil {
		return
	}
	if w.backing.quiet != nil {
		w.backing.quiet(true)
		defer w.backing.quiet(false)
	}
	ctx := context.Background()
	w.readSources(ctx)
	w.readCommits(ctx)
	w.compare(ctx)
	if reopened || w.rng.IntN(8) == 0 {
		l, err := Open(ctx, w.backing.store, modelPart, Options{})
		if err != nil {
			w.failf("open: %v", err)
			return
		}
		got, err := canonical(l.Manifest())
		if err != nil {
			w.failf("opened, the log is at %v: %v", l.Manifest(), err)
			return
		}
		for _, p := range l.Manifest().pages {
			if p.stored != nil {
				w.counts["stored pages"]++
			}
		}
		w.counts["retired pages"] += len(l.Manifest().retired)
		if want, _ := canonical(w.manifest); string(got) != string(want) {
			w.failf("opened, the log is at %v (%x)\nread entry by entry at %v (%x)", l.Manifest(), got, w.manifest, want)
		}
	}
}

func (w *world) readSources(ctx context.Context) {
	ids, err := w.backing.store.List(ctx, store.SourceLog)
	if err != nil {
		w.failf("list: %v", err)
	}
	for _, id := range ids {
		s, err := ParseSource(id.Key)
		if err != nil {
			w.failf("source log: %v", err)
			return
		}
		if w.heads[s] == 0 {
			w.sources = append(w.sources, s)
		}
		for e, err := range w.backing.store.Read(ctx, id, w.heads[s]+1) {
			if err != nil {
				w.failf("source log %v from %d: %v", s, w.heads[s]+1, err)
				return
			}
			w.heads[s] = e.Seq
			for _, v := range recordValues(e.Data) {
				w.byValue[v] = len(w.rows)
				w.rows = append(w.rows, refRow{row: row{source: s, pos: e.Seq, value: v}})
			}
		}
	}
}

func (w *world) readCommits(ctx context.Context) {
	id := LogID(modelPart)
	for e, err := range w.backing.store.Read(ctx, id, w.manifest.seq+1) {
		if err != nil {
			w.failf("commit log from %d: %v", w.manifest.seq+1, err)
			return
		}
		_, body, err := parseRecord(id, e)
		if err != nil {
			w.failf("commit %d: %v", e.Seq, err)
			return
		}
		c, err := DecodeCommit(body)
		if err != nil {
			w.failf("commit %d: %v", e.Seq, err)
			return
		}
		w.tracef("  commit %d is %v %v by %v", e.Seq, c.Kind, c.ID, c.By)
		w.counts[c.Kind.String()]++
		if len(c.Seals) > 0 {
			w.counts["seals"]++
		}
		if first := w.seen[c.ID]; first > 0 {
			w.failf("commit %v is in the log twice, at %d and %d", c.ID, first, e.Seq)
		}
		w.seen[c.ID] = e.Seq
		if err := w.void[c.ID]; err != nil {
			w.failf("commit %v is in the log at %d, but its writer was told: %v", c.ID, e.Seq, err)
		}
		w.owned(c)
		if w.manifest, err = w.manifest.Apply(ctx, e.Seq, c); err != nil {
			w.failf("commit %d: %v", e.Seq, err)
			return
		}
		if removes := w.intents[c.ID]; removes != nil {
			for i, r := range w.rows {
				if r.gone == 0 && removes(r) {
					w.rows[i].gone = e.Seq
				}
			}
		}
	}
}

// owned checks that only the owner flushes a source, and none that has ended.
func (w *world) owned(c *Commit) {
	owner := func(s Source) Source {
		if o, ok := w.owners[s]; ok {
			return o
		}
		return s
	}
	if c.Kind != Flush {
		return
	}
	if owner(c.By) != c.By {
		w.failf("flush by %v, which %v has sealed", c.By, owner(c.By))
	}
	for _, s := range c.Seals {
		w.owners[s] = c.By
		if w.manifest.Ended(s) {
			w.failf("%v seals source %v, which has ended", c.By, s)
		}
	}
	for _, i := range c.Sources {
		if owner(i.Source) != c.By || w.manifest.Ended(i.Source) || w.manifest.Ended(c.By) {
			w.failf("%v flushes source %v, which is %v's or has ended", c.By, i.Source, owner(i.Source))
		}
	}
}

// compare checks what a snapshot of now would show.
func (w *world) compare(ctx context.Context) {
	if w.failure != nil {
		return
	}
	m := w.manifest
	var got []int
	rows, chunks := int64(0), 0
	for e := range m.Chunks(ctx) { // the reference has all in memory
		blob, _, err := w.backing.store.Column(ctx, modelPart, e, 0)
		if err != nil {
			w.failf("live chunk %v: %v", e.ID, err)
			return
		}
		rows, chunks = rows+int64(e.Rows), chunks+1
		got = append(got, recordValues(blob)...)
	}
	if rows != m.Rows() || chunks != m.Len() {
		w.failf("%d chunks with %d rows, the manifest says %v", chunks, rows, m)
	}
	for _, r := range w.rows {
		if r.pos > m.Folded(r.source) && !m.Ended(r.source) {
			got = append(got, r.value)
		}
	}
	w.readable(ctx)
	w.same("the rows of now", got, snapshot{seq: m.seq, heads: w.heads})
}

// readable checks that source logs have what is not folded yet.
func (w *world) readable(ctx context.Context) {
	for _, s := range w.sources {
		if w.gone[s] || w.manifest.Folded(s) >= w.heads[s] || w.manifest.Ended(s) {
			continue
		}
		for _, err := range w.backing.store.Read(ctx, sourceLog(s), w.manifest.Folded(s)+1) {
			if err != nil {
				w.failf("source %v is folded up to %d: %v", s, w.manifest.Folded(s), err)
			}
			break
		}
	}
}

func (w *world) same(what string, got []int, s snapshot) {
	slices.Sort(got)
	if want := w.expected(s); !slices.Equal(got, want) {
		w.failf("%s at commit %d: %s", what, s.seq, w.difference(got, want))
	}
}

// difference names what is missing and what is too much.
func (w *world) difference(got, want []int) string {
	count := map[int]int{}
	for _, v := range got {
		count[v]++
	}
	for _, v := range want {
		count[v]--
	}
	text := fmt.Sprintf("%d rows, want %d;", len(got), len(want))
	for v := range w.values {
		if n := count[v]; n != 0 {
			text += fmt.Sprintf(" row %d of %+v by %+d;", v, w.rows[w.byValue[v]], n)
		}
	}
	return text
}

// expect fails the history for errors of a Log that no failure of a store explains.
func (w *world) expect(what string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, chunk.ErrCorrupt), errors.Is(err, store.ErrTrimmed), errors.Is(err, store.ErrNotFound):
		w.failf("%s: %v", what, err)
	case errors.Is(err, errLost), errors.Is(err, context.Canceled), errors.Is(err, ErrPrecondition), errors.Is(err, ErrUnknown):
	case w.backing.crash == nil: // the disk does not fail
		w.failf("%s: %v", what, err)
	}
}
