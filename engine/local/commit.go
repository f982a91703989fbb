package local

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// request is a change of a log on its way to the disk.
type request struct {
	typ  frameType // frameEntry, frameTrim, frameDrop or frameSettle
	log  *logState // nil for frameSettle
	seq  uint64
	data []byte
	at   loc
	done chan error // of one answer
}

// run is the committer: what has queued up while one batch was being written
// and synced is the next batch (group commit).
func (q *sequence) run() {
	defer close(q.done)
	for {
		batch, ok := q.take()
		if !ok {
			q.sealLast()
			return
		}
		if len(batch) > 0 {
			q.commit(batch)
			clear(batch) // part of the queue's array, which would keep the records
		}
		q.clean()
	}
}

// sealLast ends the active file with a batch that says nothing, so that damage
// to the last one that says something is not taken for its torn end.
func (q *sequence) sealLast() {
	if q.active == nil || q.active.valid == q.active.body {
		return
	}
	if err := q.write(func(b *frameBatch) { b.add(frame{typ: frameClose}) }); err != nil {
		q.log.Warn("closing a log file failed", slog.String("sequence", q.name), slog.Any("error", err))
	}
}

// maxBatchBytes bounds a batch, unless it is a single larger record.
const maxBatchBytes = 4 << 20

// take returns the next batch, none if there is only cleaning to do, and
// ok = false when the sequence is closing and all is written.
func (q *sequence) take() (batch []*request, ok bool) {
	for {
		q.mu.Lock()
		bytes := int64(0)
		n := 0
		for n < len(q.queue) && (n == 0 || bytes+int64(len(q.queue[n].data)) <= maxBatchBytes) {
			bytes += int64(len(q.queue[n].data))
			n++
		}
		batch, q.queue = q.queue[:n:n], q.queue[n:]
		q.queuedBytes -= bytes
		closing := q.closing
		q.mu.Unlock()
		switch {
		case n > 0:
			return batch, true
		case closing:
			return nil, false
		case len(q.moves) > 0 || q.cleanFrom:
			return nil, true
		}
		<-q.wake
	}
}

// frameBatch builds frames that are written and synced together.
type frameBatch struct {
	file  *logFile
	start int64 // offset of the batch in the file
	pos   int64 // offset of the next frame
	buf   []byte
}

func (b *frameBatch) add(f frame) loc {
	f.offset, f.batch = b.pos, b.start
	n := len(b.buf)
	b.buf = appendFrame(b.buf, b.file.seed, f)
	size := len(b.buf) - n
	b.pos += int64(size)
	return loc{file: b.file.number, offset: f.offset, size: uint32(size)}
}

// commit makes a batch durable, then visible, then answers.
func (q *sequence) commit(batch []*request) {
	var created []*logState
	err := q.write(func(b *frameBatch) {
		for _, r := range batch {
			if r.typ == frameSettle {
				continue
			}
			if r.typ == frameEntry && r.log.number == 0 {
				r.log.number = q.nextLog
				q.nextLog++
				created = append(created, r.log)
				b.add(frame{typ: frameCreate, kind: uint8(r.log.id.Kind), log: r.log.number, payload: []byte(r.log.id.Key)})
			}
			r.at = b.add(frame{typ: r.typ, log: r.log.number, seq: r.seq, payload: r.data})
		}
	})
	if err != nil {
		for _, l := range created {
			l.number = 0
		}
		q.fail(batch, err)
		return
	}
	q.metrics.LogBatches.Add(1)
	q.metrics.LogRecords.Add(int64(len(batch)))
	q.publish(batch)
	for _, r := range batch {
		r.done <- nil
	}
}

// publish shows a durable batch to readers.
func (q *sequence) publish(batch []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range batch {
		l := r.log
		switch r.typ {
		case frameEntry:
			l.head = r.seq
			l.locs = append(l.locs, r.at)
			q.files[r.at.file].live += int64(r.at.size)
		case frameTrim:
			q.forget(l, r.seq)
		case frameDrop:
			q.forget(l, l.head+1)
			q.removeLog(l)
		}
		if r.typ == frameTrim || r.typ == frameDrop {
			q.cleanFrom = true
		}
	}
	q.broadcast()
}

// forget drops the entries below seq from the index; q.mu is held.
func (q *sequence) forget(l *logState, seq uint64) {
	if seq <= l.first {
		return
	}
	n := seq - l.first
	for _, at := range l.locs[:n] {
		q.files[at.file].live -= int64(at.size)
	}
	l.locs = l.locs[n:]
	if cap(l.locs) > 64 && len(l.locs) < cap(l.locs)/4 {
		l.locs = append(make([]loc, 0, 2*len(l.locs)), l.locs...)
	}
	l.first = seq
}

// fail answers a batch that did not become durable, and what was queued on
// top of it: sequence numbers after one that failed, never written themselves.
func (q *sequence) fail(batch []*request, err error) {
	q.metrics.LogFailures.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range batch {
		if r.log != nil {
			r.log.tail = r.log.head
		}
		if r.typ == frameDrop {
			r.log.dropping = false
		}
		r.done <- err
	}
	for _, r := range q.queue {
		if r.log != nil {
			r.log.tail = r.log.head
		}
	}
	kept := q.queue[:0:0]
	for _, r := range q.queue {
		if r.typ == frameEntry {
			if r.seq != r.log.tail+1 {
				q.queuedBytes -= int64(len(r.data))
				r.done <- known(err)
				continue
			}
			r.log.tail = r.seq
		}
		kept = append(kept, r)
	}
	q.queue = kept
	for _, l := range q.logs {
		if l.head == 0 && l.tail == 0 {
			q.removeLog(l) // it never had an entry
		}
	}
	q.broadcast()
}

// write appends the frames that build adds to the active file and makes them
// durable. If that fails the file is never written again, and what has got
// into it is made void; if that fails too the error is an OutcomeUnknown.
func (q *sequence) write(build func(*frameBatch)) error {
	if q.active == nil || q.active.valid-q.active.body >= q.limit {
		if err := q.roll(nil); err != nil {
			return err
		}
	}
	f := q.active
	b := &frameBatch{file: f, start: f.valid, pos: f.valid, buf: q.buf[:0]}
	build(b)
	if cap(b.buf) <= 2*maxBatchBytes {
		q.buf = b.buf
	}
	n, err := f.handle.Write(b.buf)
	q.metrics.BytesWritten.Add(int64(n))
	if err == nil && n < len(b.buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		q.metrics.Fsyncs.Add(1)
		err = f.handle.Sync()
	}
	if err != nil {
		q.active = nil
		err = diskError("could not write to log file "+f.path, err)
		q.log.Error("writing a log file failed; going on in a new one", slog.String("file", f.path), slog.Int64("valid_bytes", f.valid), slog.Any("error", err))
		if !q.void(f, n) {
			return outcomeUnknown(err)
		}
		return err
	}
	q.mu.Lock()
	f.valid = b.pos
	q.mu.Unlock()
	return nil
}

// void makes the n bytes that a failed write left in a file void for ever, and
// tells whether it could. Cutting them off also gives their space back, which on
// a full disk is needed for what comes next; a new file's head says where the
// failed one ends. Either is enough.
func (q *sequence) void(f *logFile, n int) bool {
	var cut error
	if n > 0 {
		cut = f.handle.Truncate(f.valid)
	}
	if n > 0 && cut == nil {
		// It proves nothing of the data that an earlier sync lost, but the length
		// of the file is the file system's own, which does not forget a failure.
		q.metrics.Fsyncs.Add(1)
		cut = f.handle.Sync()
	}
	if cut != nil {
		q.log.Warn("cutting off what a failed write left failed", slog.String("file", f.path), slog.Any("error", cut))
		q.mu.Lock()
		q.unsettled = true
		q.mu.Unlock()
	}
	begun := q.roll(nil)
	if begun != nil {
		q.log.Error("beginning a new log file failed", slog.String("sequence", q.name), slog.Any("error", begun))
	}
	return cut == nil || begun == nil
}

// roll begins a new file, whose head holds the state of the sequence and the
// entries to bring along.
func (q *sequence) roll(bring []move) error {
	f := &logFile{number: q.nextFile, path: filepath.Join(q.dir, logName(q.nextFile))}
	f.seed = fileSeed(q.storeID, q.tag, f.number)
	q.nextFile++ // used or not: a number is never given twice
	created, err := q.begin(f, bring)
	if err != nil {
		if f.handle != nil {
			err = errors.Join(err, f.handle.Close())
		}
		if created {
			if rerr := q.fs.Remove(f.path); rerr != nil {
				q.log.Warn("removing an unfinished log file failed; the next start tries again", slog.String("file", f.path), slog.Any("error", rerr))
			}
		}
		return diskError("could not begin log file "+f.path, err)
	}
	q.metrics.LogRolls.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.files[f.number] = f
	q.active = f
	q.unsettled = false
	q.cleanFrom = true
	q.moved(bring)
	return nil
}

// begin writes the head of a file: nothing in it counts before the ready frame
// is durable, and nothing is appended before that.
func (q *sequence) begin(f *logFile, bring []move) (created bool, err error) {
	h, err := q.fs.Create(f.path)
	if err != nil {
		return false, err
	}
	f.handle = h
	flush := func(b *frameBatch) error {
		n, err := h.Write(b.buf)
		q.metrics.BytesWritten.Add(int64(n))
		if err == nil && n < len(b.buf) {
			err = io.ErrShortWrite
		}
		b.buf = b.buf[:0]
		return err
	}
	b := &frameBatch{file: f, buf: appendLogHeader(nil, f.number)}
	b.pos = int64(len(b.buf))
	state := q.head(bring)
	b.add(frame{typ: frameHead, payload: state.append(nil)})
	for i := range bring {
		m := &bring[i]
		payload, err := q.payload(m)
		if err != nil {
			return true, err
		}
		m.to = b.add(frame{typ: frameCopy, log: m.log.number, seq: m.seq, payload: payload})
		if len(b.buf) >= maxBatchBytes {
			if err := flush(b); err != nil {
				return true, err
			}
		}
	}
	b.add(frame{typ: frameReady})
	if err := flush(b); err != nil {
		return true, err
	}
	q.metrics.Fsyncs.Add(2)
	if err := h.Sync(); err != nil {
		return true, err
	}
	f.body, f.valid = b.pos, b.pos
	return true, q.fs.SyncDir(q.dir)
}

// head returns the durable state of the sequence for a file that brings
// entries along: files that hold nothing else are not listed.
func (q *sequence) head(bring []move) *head {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := &head{next: q.nextLog}
	brought := map[uint64]int64{}
	for _, m := range bring {
		brought[m.from.file] += int64(m.from.size)
	}
	for _, f := range q.files {
		if f.live > brought[f.number] {
			h.files = append(h.files, headFile{number: f.number, valid: f.valid})
		}
	}
	for _, l := range q.logs {
		if l.head > 0 {
			h.logs = append(h.logs, headLog{number: l.number, id: l.id, first: l.first, last: l.head})
		}
	}
	return h
}

// payload reads the record of a move.
func (q *sequence) payload(m *move) ([]byte, error) {
	q.mu.Lock()
	f := q.files[m.from.file]
	q.mu.Unlock()
	return readPayload(f.handle, f, m)
}

func readPayload(file vfs.File, f *logFile, m *move) ([]byte, error) {
	buf := make([]byte, m.from.size)
	if n, err := file.ReadAt(buf, m.from.offset); n < len(buf) {
		return nil, fmt.Errorf("read %s at %d: %w", f.path, m.from.offset, err)
	}
	fr, err := parseFrame(buf, f.seed, m.from.offset)
	if err == nil && (fr.log != m.log.number || fr.seq != m.seq) {
		err = fmt.Errorf("%w: entry %d of log number %d", errBadFrame, fr.seq, fr.log)
	}
	if err != nil {
		return nil, corrupt("log file %s, offset %d: entry %d of log %d %x: %v", f.path, m.from.offset, m.seq, m.log.id.Kind, m.log.id.Key, err)
	}
	return fr.payload, nil
}
