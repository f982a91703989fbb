package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// recovery reads a sequence's files. The newest file with a complete head says
// what there is: older files as far as it lists them, and its own body.
type recovery struct {
	q       *sequence
	byID    map[uint64]*logState // by number
	found   map[*logState][]place
	junk    []string // files that no head lists: remains of a crash
	missing []string // files that the head lists and that are not there
	// atRisk are the entries that may be in no more than the page cache: those
	// of the last batch, whose writer may have died before its fsync.
	atRisk []move
	last   *logFile
	batch  []frame // the last batch: the end of the last file's frames
	end    int64   // of the last file's good frames
}

// place is where an entry was found. A log's index is made when all places
// are known, so that nobody's count but that of the frames read decides how
// much memory it takes.
type place struct {
	seq uint64
	at  loc
}

// load reads the sequence from the disk and changes nothing there.
func (q *sequence) load() (*recovery, error) {
	r := &recovery{q: q, byID: map[uint64]*logState{}, found: map[*logState][]place{}}
	entries, err := q.fs.List(q.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, diskError("could not list folder "+q.dir, err)
	}
	var numbers []uint64
	for _, e := range entries {
		if n, ok := parseLogName(e.Name); ok && !e.Dir {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	if len(numbers) > 0 {
		q.nextFile = numbers[len(numbers)-1] + 1
	}
	for i := len(numbers) - 1; i >= 0; i-- {
		done, err := r.newest(numbers[i])
		if err != nil {
			return r, err
		}
		if done {
			for _, n := range numbers[:i] {
				if _, ok := q.files[n]; !ok {
					r.junk = append(r.junk, filepath.Join(q.dir, logName(n)))
				}
			}
			return r, r.complete()
		}
	}
	return r, nil
}

// newest tries a file as the newest; false if its head is incomplete, so that
// it never counted.
func (r *recovery) newest(number uint64) (bool, error) {
	f, s, err := r.open(number)
	if err != nil {
		return false, err
	}
	state, copies, err := readHead(f, s)
	if errors.Is(err, errBadFrame) {
		bad := s.pos
		if err := r.mustBeTorn(f, s, bad, err); err != nil {
			return false, errors.Join(err, f.handle.Close())
		}
		r.junk = append(r.junk, f.path)
		return false, f.handle.Close()
	}
	if err != nil {
		return false, errors.Join(diskError("could not read log file "+f.path, err), f.handle.Close())
	}
	r.last = f
	r.q.files[number] = f
	if err := r.start(state); err != nil {
		return false, err
	}
	slices.SortFunc(state.files, func(a, b headFile) int { return cmp.Compare(a.number, b.number) })
	// All are opened first: an owner that trims while we read cannot take them away then.
	var scanners []*scanner
	for _, hf := range state.files {
		s, err := r.openOlder(hf)
		if err != nil {
			return false, err
		}
		scanners = append(scanners, s)
	}
	for i, hf := range state.files {
		if scanners[i] == nil {
			continue
		}
		if err := r.older(r.q.files[hf.number], scanners[i]); err != nil {
			return false, err
		}
		scanners[i] = nil // with its window
	}
	for _, c := range copies {
		r.place(c, f)
	}
	return true, r.body(f, s, copies)
}

// open opens a log file and a scanner at its start.
func (r *recovery) open(number uint64) (*logFile, *scanner, error) {
	f := &logFile{number: number, path: filepath.Join(r.q.dir, logName(number))}
	f.seed = fileSeed(r.q.storeID, r.q.tag, number)
	h, err := r.q.fs.Open(f.path)
	if err != nil {
		return nil, nil, diskError("could not open log file "+f.path, err)
	}
	size, err := h.Size()
	if err != nil {
		return nil, nil, errors.Join(diskError("could not open log file "+f.path, err), h.Close())
	}
	f.handle = h
	return f, &scanner{file: h, seed: f.seed, end: size}, nil
}

// readHead reads a file up to its ready frame. s.pos is at the first bad frame
// if that fails with errBadFrame.
func readHead(f *logFile, s *scanner) (*head, []frame, error) {
	b, err := s.window(0, logHeaderBytes)
	if err != nil {
		return nil, nil, err
	}
	if string(b) != string(appendLogHeader(nil, f.number)) {
		return nil, nil, fmt.Errorf("%w: not the header of log file %d", errBadFrame, f.number)
	}
	s.pos = logHeaderBytes
	var state *head
	var copies []frame
	for {
		at := s.pos
		fr, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("%w: the head ends early", errBadFrame)
		}
		if err != nil {
			return nil, nil, err
		}
		switch {
		case fr.typ == frameHead && state == nil && fr.batch == 0:
			if state, err = parseHead(fr.payload); err != nil {
				s.pos = at
				return nil, nil, err
			}
		case fr.typ == frameCopy && state != nil && fr.batch == 0:
			copies = append(copies, fr)
		case fr.typ == frameReady && state != nil && fr.batch == 0:
			f.body, f.valid = s.pos, s.pos
			return state, copies, nil
		default:
			s.pos = at
			return nil, nil, fmt.Errorf("%w: type %d in the head", errBadFrame, fr.typ)
		}
	}
}

// mustBeTorn returns nil if the bad frame at offset bad can be the end that a
// crash tore, and the corruption if it had been durable.
func (r *recovery) mustBeTorn(f *logFile, s *scanner, bad int64, cause error) error {
	later, found, err := s.laterBatch(bad)
	if err != nil {
		return diskError("could not read log file "+f.path, err)
	}
	if found {
		return corrupt("log file %s is corrupt at offset %d (%v), while later records such as the one at offset %d are good", f.path, bad, cause, later)
	}
	if bad == 0 {
		return r.headMustBeTorn(f, s)
	}
	fr, offset, bit, found, err := s.flipped(bad)
	switch {
	case err != nil:
		return diskError("could not read log file "+f.path, err)
	case found && fr.typ != frameClose: // which nothing depends on
		return corrupt("log file %s is corrupt at offset %d (%v): the record there is good but for bit %d of the byte at offset %d", f.path, bad, cause, bit, offset)
	}
	return nil
}

// headMustBeTorn is mustBeTorn for the first bytes of a file.
func (r *recovery) headMustBeTorn(f *logFile, s *scanner) error {
	b, err := s.window(0, logHeaderBytes)
	switch {
	case errors.Is(err, errBadFrame):
		return nil // it is shorter
	case err != nil:
		return diskError("could not read log file "+f.path, err)
	case headerFlipped(b, f.number):
		return corrupt("log file %s is corrupt at offset 0: its header is good but for one bit", f.path)
	}
	return nil
}

// start takes over the state of the head.
func (r *recovery) start(state *head) error {
	q := r.q
	q.nextLog = state.next
	for _, hl := range state.logs {
		if q.logs[hl.id] != nil || r.byID[hl.number] != nil {
			return corrupt("log file %s: its head lists log %d %x twice", r.last.path, hl.id.Kind, hl.id.Key)
		}
		l := &logState{id: hl.id, number: hl.number, first: hl.first, head: hl.last, tail: hl.last}
		q.addLog(l)
		r.byID[hl.number] = l
	}
	return nil
}

// openOlder opens a file that the head lists, nil if it is not there.
func (r *recovery) openOlder(hf headFile) (*scanner, error) {
	f, s, err := r.open(hf.number)
	if errors.Is(err, fs.ErrNotExist) {
		// Its records were trimmed after the head was written; else they will be missed.
		r.missing = append(r.missing, filepath.Join(r.q.dir, logName(hf.number)))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.q.files[hf.number] != nil {
		return nil, errors.Join(corrupt("log file %s: its head lists file %d twice", r.last.path, hf.number), f.handle.Close())
	}
	r.q.files[hf.number] = f
	if s.end < hf.valid {
		return nil, corrupt("log file %s is %d bytes long and was %d", f.path, s.end, hf.valid)
	}
	s.end = hf.valid
	return s, nil
}

// older finds the entries in a file that the head lists.
func (r *recovery) older(f *logFile, s *scanner) error {
	_, copies, err := readHead(f, s)
	for err == nil {
		for _, c := range copies {
			r.place(c, f)
		}
		var fr frame
		if fr, err = s.next(); err == nil {
			copies = []frame{fr}
		}
	}
	f.valid = s.end
	r.q.metrics.BytesRead.Add(s.read)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, errBadFrame):
		return corrupt("log file %s is corrupt at offset %d: %v", f.path, s.pos, err)
	}
	return diskError("could not read log file "+f.path, err)
}

// place notes where an entry lies, if it is one that the log may keep.
func (r *recovery) place(fr frame, f *logFile) {
	l := r.byID[fr.log]
	if (fr.typ == frameEntry || fr.typ == frameCopy) && l != nil && fr.seq >= l.first && fr.seq <= l.head {
		r.found[l] = append(r.found[l], place{fr.seq, loc{file: f.number, offset: fr.offset, size: uint32(fr.size)}})
	}
}

// body replays what the newest file says after its head.
func (r *recovery) body(f *logFile, s *scanner, copies []frame) error {
	r.batch = copies
	for {
		fr, err := s.next()
		if err != nil {
			r.q.metrics.BytesRead.Add(s.read)
			if errors.Is(err, errBadFrame) {
				err = r.mustBeTorn(f, s, s.pos, err)
			} else if errors.Is(err, io.EOF) {
				err = nil
			} else {
				err = diskError("could not read log file "+f.path, err)
			}
			if err != nil {
				return err
			}
			break
		}
		if err := r.replay(fr, f); err != nil {
			return err
		}
		if len(r.batch) == 0 || r.batch[0].batch != fr.batch {
			r.batch = nil
			f.valid = fr.batch
		}
		fr.payload = nil
		r.batch = append(r.batch, fr)
	}
	r.end = s.pos
	return nil
}

// replay does what one frame of the newest file's body says.
func (r *recovery) replay(fr frame, f *logFile) error {
	q, l := r.q, r.byID[fr.log]
	bad := func(what string) error {
		return corrupt("log file %s, offset %d: %s (type %d, log number %d, entry %d)", f.path, fr.offset, what, fr.typ, fr.log, fr.seq)
	}
	if fr.batch < f.body {
		return bad("record of a batch that began in the head")
	}
	switch fr.typ {
	case frameCreate:
		id := store.LogID{Kind: store.LogKind(fr.kind), Key: string(fr.payload)}
		if fr.log < q.nextLog || q.logs[id] != nil {
			return bad("log made twice")
		}
		l = &logState{id: id, number: fr.log, first: 1}
		q.addLog(l)
		r.byID[fr.log] = l
		q.nextLog = fr.log + 1
	case frameEntry:
		if l == nil || fr.seq != l.head+1 {
			return bad("entry out of order")
		}
		l.head, l.tail = fr.seq, fr.seq
		r.place(fr, f)
	case frameCopy:
		r.place(fr, f)
	case frameClose:
	case frameTrim:
		if l == nil || fr.seq > l.head+1 {
			return bad("trim of what is not there")
		}
		l.first = max(l.first, fr.seq)
	case frameDrop:
		if l == nil {
			return bad("drop of what is not there")
		}
		q.removeLog(l)
		delete(r.byID, fr.log)
		delete(r.found, l)
	default:
		return bad("not a record of a body")
	}
	return nil
}

// complete makes the indexes of the logs, checks that every entry that is to be
// there was found, and lists those at risk.
func (r *recovery) complete() error {
	for _, l := range r.q.logs {
		if l.head == 0 { // its create frame alone survived: it never had an entry
			r.q.removeLog(l)
			continue
		}
		found := r.found[l]
		slices.SortStableFunc(found, func(a, b place) int { return cmp.Compare(a.seq, b.seq) })
		next := l.first
		for i, p := range found {
			if p.seq < l.first || i+1 < len(found) && found[i+1].seq == p.seq {
				continue // trimmed, or copied: the last one counts
			}
			if p.seq != next {
				break
			}
			l.locs = append(l.locs, p.at)
			r.q.files[p.at.file].live += int64(p.at.size)
			next++
		}
		if next != l.head+1 {
			return corrupt("folder %s: entry %d of log %d %x is in no file (files that are listed and not there: %v)",
				r.q.dir, next, l.id.Kind, l.id.Key, r.missing)
		}
	}
	for _, fr := range r.batch {
		l := r.byID[fr.log]
		if (fr.typ == frameEntry || fr.typ == frameCopy) && l != nil && fr.seq >= l.first && fr.seq <= l.head {
			if at := l.locs[fr.seq-l.first]; at.file == r.last.number && at.offset == fr.offset {
				r.atRisk = append(r.atRisk, move{log: l, seq: fr.seq, from: at})
			}
		}
	}
	return nil
}

// settle makes what was loaded durable for sure, by writing what is at risk
// once more into a new file (syncing the old one would not do: after a failed
// fsync the page cache may hold clean pages that are not on the disk). Only
// on a full disk that is all that is left to do.
func (q *sequence) settle(r *recovery) error {
	err := q.roll(r.atRisk)
	if err != nil && r.last != nil && pgerr.Code(err) == pgerr.DiskFull {
		q.log.Warn("the disk is full; the last log records are synced where they are", slog.String("file", r.last.path))
		if serr := q.syncLast(r); serr != nil {
			return errors.Join(err, serr)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, path := range r.junk {
		if err := q.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			q.log.Warn("removing a log file that a crash left failed", slog.String("file", path), slog.Any("error", err))
		}
	}
	return nil
}

// syncLast syncs the newest file up to its last good frame.
func (q *sequence) syncLast(r *recovery) error {
	f, err := q.fs.OpenAppend(r.last.path)
	if err != nil {
		return err
	}
	q.metrics.Fsyncs.Add(2)
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	r.last.valid = r.end
	return q.fs.SyncDir(q.dir)
}
