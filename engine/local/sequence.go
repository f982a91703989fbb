package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// sequence is a sequence of log files that several logs share. One goroutine,
// the committer, writes; see commit.go for the way of a record, recover.go
// for opening and clean.go for the end of files. It is safe for concurrent use.
type sequence struct {
	name    string // of its folder
	tag     byte   // in the checksums' seed
	dir     string
	fs      vfs.FS
	storeID [16]byte
	limit   int64 // bytes of a file's body
	// maxLogBytes bounds logBytes, for a head is one frame.
	maxLogBytes int64
	log         *slog.Logger
	metrics     *Metrics

	mu          sync.Mutex // guards all to the next blank line, and what is in logs and files
	logs        map[store.LogID]*logState
	files       map[uint64]*logFile // the active one included
	logBytes    int64               // what logs take in a head
	queue       []*request
	queuedBytes int64
	changed     chan struct{} // closed and replaced when a batch has been decided
	closing     bool
	// unsettled: a write failed, and what may be left of it is neither cut off nor
	// void by a new file, so that an entry may come to light that nobody sees now.
	unsettled bool

	wake  chan struct{}  // of one token: the queue is not empty, or closing
	done  chan struct{}  // closed when the committer has ended
	reads sync.WaitGroup // reads of files under way; Add under mu and not closing

	// Of the committer alone, and of recovery before it starts.
	active    *logFile // nil: the next batch begins a file
	nextFile  uint64
	nextLog   uint64
	buf       []byte
	moves     []move // entries to bring along, then their file can go
	stuck     map[uint64]bool
	cleanFrom bool // whether a trim, a drop or an open made it worth looking for dead files
}

// logState is one log. Between enqueueing and publishing tail is ahead of head.
type logState struct {
	id          store.LogID
	number      uint64 // the committer's; 0 until its create frame is being written
	first, head uint64 // durable: entries first to head, each at its loc
	locs        []loc
	tail        uint64 // the last sequence number queued
	dropping    bool
}

// loc is where an entry's frame lies.
type loc struct {
	file   uint64
	offset int64
	size   uint32
}

// logFile is one file of a sequence.
type logFile struct {
	number uint64
	path   string
	seed   uint32
	body   int64    // where the frames after the head begin
	valid  int64    // everything below is durable and good, nothing else counts
	live   int64    // bytes of frames that locs point at
	refs   int      // reads under way
	handle vfs.File // open as long as the file is among those of its sequence
}

func newSequence(s *Store, name string, tag byte) *sequence {
	return &sequence{
		name: name, tag: tag, dir: s.path(name), fs: s.fs, storeID: s.id,
		limit: s.opts.LogFileBytes, maxLogBytes: maxPayloadBytes / 2, log: s.opts.Logger, metrics: &s.metrics,
		logs: map[store.LogID]*logState{}, files: map[uint64]*logFile{},
		changed: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
		nextFile: 1, nextLog: 1, stuck: map[uint64]bool{},
	}
}

// addLog and removeLog keep the count of what the logs take in a head; q.mu is held.
func (q *sequence) addLog(l *logState) {
	q.logs[l.id] = l
	q.logBytes += l.headBytes()
}

func (q *sequence) removeLog(l *logState) {
	delete(q.logs, l.id)
	q.logBytes -= l.headBytes()
}

// broadcast lets all waiters look again; q.mu is held.
func (q *sequence) broadcast() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// wait sleeps until a batch has been decided; ch was q.changed under the lock.
func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxQueueBytes bounds the records that wait for the disk; appends wait beyond.
const maxQueueBytes = 64 << 20

// append adds an entry. Once it is queued it is waited for whatever happens to
// ctx, so that the answer tells what became of it, and data is not needed any more.
func (q *sequence) append(ctx context.Context, id store.LogID, seq uint64, data []byte) error {
	for {
		r, ch, err := q.tryAppend(id, seq, data)
		if err != nil {
			return err
		}
		if r != nil {
			return <-r.done
		}
		if err := wait(ctx, ch); err != nil {
			return err
		}
	}
}

// tryAppend queues the entry, or refuses it, or returns a channel to wait on:
// for the outcome of the same sequence number's earlier append, or for room.
func (q *sequence) tryAppend(id store.LogID, seq uint64, data []byte) (*request, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return nil, nil, errClosed
	}
	l := q.logs[id]
	var head, tail uint64
	if l != nil {
		if l.dropping {
			return nil, q.changed, nil
		}
		head, tail = l.head, l.tail
	}
	switch {
	case seq > head && seq <= tail:
		return nil, q.changed, nil
	case seq != tail+1:
		return nil, nil, fmt.Errorf("%w: append of %d to log %d %x, the last is %d", store.ErrConflict, seq, id.Kind, id.Key, head)
	case len(q.queue) > 0 && q.queuedBytes+int64(len(data)) > maxQueueBytes:
		return nil, q.changed, nil
	}
	if l == nil {
		l = &logState{id: id, first: 1}
		if q.logBytes+l.headBytes() > q.maxLogBytes {
			return nil, nil, pgerr.New(pgerr.ProgramLimitExceeded, "the store has %d logs in folder %s and cannot have more", len(q.logs), q.name)
		}
		q.addLog(l)
	}
	l.tail = seq
	return q.enqueue(&request{typ: frameEntry, log: l, seq: seq, data: data}), nil, nil
}

// enqueue hands a request to the committer; q.mu is held.
func (q *sequence) enqueue(r *request) *request {
	r.done = make(chan error, 1)
	q.queue = append(q.queue, r)
	q.queuedBytes += int64(len(r.data))
	q.poke()
	return r
}

func (q *sequence) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// trim forgets the entries below seq.
func (q *sequence) trim(ctx context.Context, id store.LogID, seq uint64) error {
	for {
		q.mu.Lock()
		l, ch := q.logs[id], q.changed
		switch {
		case q.closing:
			q.mu.Unlock()
			return errClosed
		case l == nil || min(seq, l.head+1) <= l.first:
			q.mu.Unlock()
			return nil
		case !l.dropping:
			r := q.enqueue(&request{typ: frameTrim, log: l, seq: min(seq, l.head+1)})
			q.mu.Unlock()
			return <-r.done
		}
		q.mu.Unlock()
		if err := wait(ctx, ch); err != nil {
			return err
		}
	}
}

// drop forgets a log, after the appends to it that are under way. One that is
// not there is gone for good only when nothing is unsettled.
func (q *sequence) drop(ctx context.Context, id store.LogID) error {
	for {
		q.mu.Lock()
		l, ch := q.logs[id], q.changed
		switch {
		case q.closing:
			q.mu.Unlock()
			return errClosed
		case l == nil && !q.unsettled:
			q.mu.Unlock()
			return nil
		case l == nil:
			r := q.enqueue(&request{typ: frameSettle})
			q.mu.Unlock()
			return <-r.done
		case !l.dropping && l.head == l.tail:
			l.dropping = true
			r := q.enqueue(&request{typ: frameDrop, log: l})
			q.mu.Unlock()
			return <-r.done
		}
		q.mu.Unlock()
		if err := wait(ctx, ch); err != nil {
			return err
		}
	}
}

// last returns a log's last durable sequence number.
func (q *sequence) last(id store.LogID) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.logs[id]; l != nil {
		return l.head
	}
	return 0
}

// oldest returns the sequence number of a log's first retained entry, or of the
// one to come.
func (q *sequence) oldest(id store.LogID) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.logs[id]; l != nil {
		return l.first
	}
	return 1
}

func (q *sequence) list(kind store.LogKind) []store.LogID {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []store.LogID
	for id, l := range q.logs {
		if id.Kind == kind && l.head > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b store.LogID) int { return strings.Compare(a.Key, b.Key) })
	return ids
}

// read yields the entries from seq to the head at the time of the call.
func (q *sequence) read(ctx context.Context, id store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		seq := max(seq, 1)
		q.mu.Lock()
		l := q.logs[id]
		var head uint64
		if l != nil {
			head = l.head
		}
		q.mu.Unlock()
		if head == 0 {
			return
		}
		for first := true; first || seq <= head; first = false {
			entries, err := q.readRun(ctx, l, seq, head)
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			seq += uint64(len(entries))
		}
	}
}

// maxRunBytes bounds what one read of neighbouring entries fetches, unless it
// is a single larger one.
const maxRunBytes = 1 << 20

// readRun reads entry seq and those after it that lie close to it, at least
// one unless seq > head.
func (q *sequence) readRun(ctx context.Context, l *logState, seq, head uint64) ([]store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	locs, f, err := q.findRun(l, seq, head)
	if err != nil || len(locs) == 0 {
		return nil, err
	}
	defer q.release(f)
	start, end := locs[0].offset, locs[len(locs)-1].offset+int64(locs[len(locs)-1].size)
	buf := make([]byte, end-start)
	if n, err := f.handle.ReadAt(buf, start); n < len(buf) {
		if errors.Is(err, io.EOF) {
			return nil, corrupt("log file %s ends at offset %d, within the records of log %d %x", f.path, start+int64(n), l.id.Kind, l.id.Key)
		}
		return nil, diskError("could not read log file "+f.path, err)
	}
	q.metrics.BytesRead.Add(int64(len(buf)))
	entries := make([]store.Entry, len(locs))
	for i, at := range locs {
		from := at.offset - start
		fr, err := parseFrame(buf[from:from+int64(at.size)], f.seed, at.offset)
		if err == nil && (fr.log != l.number || fr.seq != seq+uint64(i)) {
			err = fmt.Errorf("it is entry %d of log number %d", fr.seq, fr.log)
		}
		if err != nil {
			return nil, corrupt("log file %s, offset %d: entry %d of log %d %x: %v", f.path, at.offset, seq+uint64(i), l.id.Kind, l.id.Key, err)
		}
		if len(locs) > 1 {
			fr.payload = append([]byte(nil), fr.payload...) // not to pin its neighbours
		}
		entries[i] = store.Entry{Seq: fr.seq, Data: fr.payload}
	}
	return entries, nil
}

// findRun returns where entries from seq on lie in one file, and that file,
// which stays until it is released.
func (q *sequence) findRun(l *logState, seq, head uint64) ([]loc, *logFile, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return nil, nil, errClosed
	}
	if q.logs[l.id] != l || seq < l.first {
		return nil, nil, fmt.Errorf("%w: read from %d of log %d %x, the first is %d", store.ErrTrimmed, seq, l.id.Kind, l.id.Key, l.first)
	}
	if seq > head {
		return nil, nil, nil
	}
	all := l.locs[seq-l.first : head-l.first+1]
	n := 1
	for n < len(all) && all[n].file == all[0].file && all[n].offset >= all[n-1].offset &&
		all[n].offset+int64(all[n].size)-all[0].offset <= maxRunBytes {
		n++
	}
	f := q.files[all[0].file]
	f.refs++
	q.reads.Add(1)
	return slices.Clone(all[:n]), f, nil
}

func (q *sequence) release(f *logFile) {
	defer q.reads.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	f.refs--
}

// close ends the committer once it has written what is queued, and closes the
// files once the reads under way are done.
func (q *sequence) close(committing bool) error {
	q.mu.Lock()
	q.closing = true
	q.broadcast()
	q.mu.Unlock()
	if committing {
		q.poke()
		<-q.done
	}
	q.reads.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	for _, f := range q.files {
		if f.handle != nil {
			err = errors.Join(err, f.handle.Close())
			f.handle = nil
		}
	}
	return err
}

// checkRecord refuses what no log file can hold.
func checkRecord(id store.LogID, data []byte) error {
	if len(id.Key) > maxKeyBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "the key of a log is %d bytes long, the most is %d", len(id.Key), maxKeyBytes)
	}
	if len(data) > maxPayloadBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "a record of a log is %d bytes long, the most is %d", len(data), maxPayloadBytes)
	}
	return nil
}
