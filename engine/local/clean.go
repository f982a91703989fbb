package local

import (
	"log/slog"
)

// move is an entry that is written once more, in a newer file, so that the
// file it lies in can go.
type move struct {
	log      *logState
	seq      uint64
	from, to loc
}

// moved points the index at the new places; q.mu is held. An entry that was
// trimmed on the way stays trimmed.
func (q *sequence) moved(moves []move) {
	for _, m := range moves {
		if !q.current(m) {
			continue
		}
		m.log.locs[m.seq-m.log.first] = m.to
		if f := q.files[m.from.file]; f != nil {
			f.live -= int64(m.from.size)
		}
		q.files[m.to.file].live += int64(m.to.size)
	}
}

// current tells whether an entry still lies where it is to be moved from.
func (q *sequence) current(m move) bool {
	return q.logs[m.log.id] == m.log && m.seq >= m.log.first && m.log.locs[m.seq-m.log.first] == m.from
}

// clean does a step of what keeps files from piling up: files with nothing
// live are removed; of files with little the rest is brought along first. Only
// the committer calls it, between batches.
func (q *sequence) clean() {
	if len(q.moves) == 0 && !q.cleanFrom {
		return
	}
	q.removeDead()
	if len(q.moves) == 0 {
		q.moves = q.pickMoves()
	}
	if len(q.moves) == 0 {
		q.cleanFrom = false
		return
	}
	if err := q.moveSome(); err != nil {
		q.log.Error("bringing log records along failed", slog.String("sequence", q.name), slog.Any("error", err))
		q.moves, q.cleanFrom = nil, false // until the next trim or file
	}
}

// removeDead removes closed files without a live record. That they are not
// needed is durable: the trims and copies that made it so were synced.
func (q *sequence) removeDead() {
	q.mu.Lock()
	var dead []*logFile
	for n, f := range q.files {
		if f != q.active && f.live == 0 && f.refs == 0 {
			dead = append(dead, f)
			delete(q.files, n)
		}
	}
	q.mu.Unlock()
	for _, f := range dead {
		if f.handle != nil {
			if err := f.handle.Close(); err != nil {
				q.log.Warn("closing a log file failed", slog.String("file", f.path), slog.Any("error", err))
			}
		}
		if err := q.fs.Remove(f.path); err != nil {
			q.log.Warn("removing a log file failed; the next start tries again", slog.String("file", f.path), slog.Any("error", err))
		}
	}
}

// manyFiles is how many closed files may lie about before small ones are put together.
const manyFiles = 16

// pickMoves chooses a closed file that is worth emptying, one of whose body a
// quarter or less is live, or a small one when there are many, and returns what
// is live in it. A file made of moved records is neither, so cleaning ends.
func (q *sequence) pickMoves() []move {
	q.mu.Lock()
	defer q.mu.Unlock()
	var victim *logFile
	for n, f := range q.files {
		if f == q.active || f.live == 0 || q.stuck[n] {
			continue
		}
		body := f.valid - f.body
		small := len(q.files) > manyFiles && body <= q.limit/4
		if (f.live*4 <= body || small) && (victim == nil || f.number < victim.number) {
			victim = f
		}
	}
	if victim == nil {
		return nil
	}
	var moves []move
	for _, l := range q.logs {
		for i, at := range l.locs {
			if at.file == victim.number {
				moves = append(moves, move{log: l, seq: l.first + uint64(i), from: at})
			}
		}
	}
	return moves
}

// moveSome writes some of the moves into the active file.
func (q *sequence) moveSome() error {
	var some []move
	var payloads [][]byte
	for bytes := 0; len(q.moves) > 0 && bytes < maxBatchBytes; q.moves = q.moves[1:] {
		m := q.moves[0]
		q.mu.Lock()
		wanted := q.current(m)
		q.mu.Unlock()
		if !wanted {
			continue
		}
		payload, err := q.payload(&m)
		if err != nil {
			q.stuck[m.from.file] = true // what can be read of it still can
			return err
		}
		some, payloads = append(some, m), append(payloads, payload)
		bytes += len(payload)
	}
	if len(some) == 0 {
		return nil
	}
	err := q.write(func(b *frameBatch) {
		for i := range some {
			some[i].to = b.add(frame{typ: frameCopy, log: some[i].log.number, seq: some[i].seq, payload: payloads[i]})
		}
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.moved(some)
	return nil
}
