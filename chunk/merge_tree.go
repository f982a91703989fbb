package chunk

import "context"

// A piece is n rows of a run, one after the other in the order of reading: row,
// row + 1 and so on, or in falling order row, row - 1 and so on.
type piece struct{ src, row, n int32 }

// A merger merges sorted runs with a tree of losers (Knuth, The Art of Computer
// Programming, volume 3, section 5.4.1) over offset-value codes. It is used by
// one goroutine.
//
// The codes of the rows at the head of the runs are against the row that came
// out last, or, for a loser in the tree, against the row that it lost to; so the
// losers on the path of the run that won last are coded against its row, and
// as long as that run's next row has a lower code than each of them it comes next
// without another look at the tree.
type merger struct {
	sources []*mergeSource
	heads   []head
	tree    []int32 // [0] is the winner, [1:] the losers
	step    int32   // rows of a run come by rising (1) or falling (-1) number
	started bool

	// best is the winner so far of the key that came out last.
	best      rowRef
	found     bool // there is a best
	version   int64
	versioned bool // version is known; it is not asked for until a rival turns up

	pieces   []piece // what came out and passed
	rows     int     // in pieces
	filtered int64   // came out and did not pass
}

// A head is the next row of a run.
type head struct {
	code code
	at   int // in the window
}

type rowRef struct{ src, row int32 }

func newMerger(sources []*mergeSource, descending bool) *merger {
	m := &merger{sources: sources, heads: make([]head, len(sources)), tree: make([]int32, max(len(sources), 1)), step: 1}
	if descending {
		m.step = -1
	}
	return m
}

// start reads the first windows and plays out the tree.
func (m *merger) start(ctx context.Context) error {
	m.started = true
	for s := range m.sources {
		if err := m.load(ctx, s); err != nil {
			return err
		}
	}
	// Leaves are len(sources) to 2 * len(sources) - 1; winners go up from the bottom.
	k := len(m.sources)
	up := make([]int32, 2*k)
	for i := range k {
		up[k+i] = int32(i)
	}
	for i := k - 1; i > 0; i-- {
		a, b := up[2*i], up[2*i+1]
		if m.before(b, a) {
			a, b = b, a
		}
		up[i], m.tree[i] = a, b
	}
	if k > 0 {
		m.tree[0] = up[min(1, len(up)-1)]
	}
	return nil
}

// load makes the first row of the next window the head of a run.
func (m *merger) load(ctx context.Context, s int) error {
	ok, err := m.sources[s].load(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		m.heads[s] = head{code: codeEnd}
	default:
		m.heads[s] = head{code: m.sources[s].window.codes[0]}
	}
	return nil
}

// before says whether the head of run a comes before that of b. The code of the
// one that does not is then against the other.
func (m *merger) before(a, b int32) bool {
	x, y := &m.heads[a], &m.heads[b]
	if x.code != y.code {
		return x.code.less(y.code)
	}
	if x.code.level == 0 || x.code == codeEnd {
		return a < b
	}
	c, loser := compareKeys(m.sources[a].window, x.at, m.sources[b].window, y.at, x.code)
	if c < 0 || c == 0 && a < b {
		y.code = loser
		return true
	}
	x.code = loser
	return false
}

// replay finds the winner after the head of run s, which won, has changed.
func (m *merger) replay(s int32) {
	w := s
	for n := (len(m.sources) + int(s)) / 2; n > 0; n /= 2 {
		if m.before(m.tree[n], w) {
			m.tree[n], w = w, m.tree[n]
		}
	}
	m.tree[0] = w
}

// limit returns the least code among the losers to run s, the winner.
func (m *merger) limit(s int32) code {
	least := codeEnd
	for n := (len(m.sources) + int(s)) / 2; n > 0; n /= 2 {
		if c := m.heads[m.tree[n]].code; c.less(least) {
			least = c
		}
	}
	return least
}

// fill merges until pieces has want rows or the runs are used up; then it
// reports true.
func (m *merger) fill(ctx context.Context, want int) (done bool, err error) {
	if !m.started {
		if err := m.start(ctx); err != nil {
			return false, err
		}
	}
	if len(m.sources) == 0 {
		return true, nil
	}
	for m.rows < want {
		s := m.tree[0]
		h := &m.heads[s]
		if h.code == codeEnd {
			return true, m.settle(ctx)
		}
		w := m.sources[s].window
		if h.code.level == 0 {
			err = m.rival(ctx, rowRef{s, w.rows[h.at]})
		} else if err = m.settle(ctx); err == nil {
			m.best, m.found, m.versioned = rowRef{s, w.rows[h.at]}, true, false
		}
		if err != nil {
			return false, err
		}
		// Rows up to the first one that another run's head comes before, or that
		// has the key of the row before.
		lim := m.limit(s)
		from := h.at
		h.at++
		for codes := w.codes[:min(len(w.codes), from+1+max(want-m.rows, 0))]; h.at < len(codes) && codes[h.at].level != 0 && codes[h.at].less(lim); {
			h.at++
		}
		if h.at-from > 1 {
			if err := m.settle(ctx); err != nil {
				return false, err
			}
			if h.at-from > 2 {
				if err := m.emit(ctx, s, w.rows[from+1:h.at-1]); err != nil {
					return false, err
				}
			}
			m.best, m.found, m.versioned = rowRef{s, w.rows[h.at-1]}, true, false
		}
		if h.at < len(w.codes) {
			h.code = w.codes[h.at]
		} else if err := m.load(ctx, int(s)); err != nil {
			return false, err
		}
		m.replay(s)
	}
	return false, nil
}

// settle lets the best row of the last key out.
func (m *merger) settle(ctx context.Context) error {
	if !m.found {
		return nil
	}
	m.found = false
	src, row := m.best.src, m.best.row
	if s := m.sources[src]; s.filtered {
		if err := s.filter(ctx, int(row)/VectorRows); err != nil {
			return err
		}
		if !s.pass.Has(int(row) % VectorRows) {
			m.filtered++
			return nil
		}
	}
	m.append(piece{src, row, 1})
	return nil
}

// rival makes a row of the last key the best one if it is newer.
func (m *merger) rival(ctx context.Context, r rowRef) (err error) {
	if !m.versioned {
		if m.version, err = m.sources[m.best.src].version(ctx, m.best.row); err != nil {
			return err
		}
		m.versioned = true
	}
	v, err := m.sources[r.src].version(ctx, r.row)
	if err != nil {
		return err
	}
	newer := v > m.version
	switch {
	case v != m.version:
	case r.src == m.best.src:
		newer = r.row > m.best.row
	default:
		newer = m.sources[r.src].place > m.sources[m.best.src].place
	}
	if newer {
		m.best, m.version = r, v
	}
	return nil
}

// emit lets rows of a run out that pass the filters. There are some, in the order
// of reading, and they lie in one vector.
func (m *merger) emit(ctx context.Context, src int32, rows []int32) error {
	s := m.sources[src]
	if !s.filtered {
		if last := rows[len(rows)-1]; last-rows[0] == m.step*int32(len(rows)-1) {
			m.append(piece{src, rows[0], int32(len(rows))})
			return nil
		}
		for _, r := range rows {
			m.append(piece{src, r, 1})
		}
		return nil
	}
	if err := s.filter(ctx, int(rows[0])/VectorRows); err != nil {
		return err
	}
	for _, r := range rows {
		if s.pass.Has(int(r) % VectorRows) {
			m.append(piece{src, r, 1})
		} else {
			m.filtered++
		}
	}
	return nil
}

// append adds a piece, to the last one if it continues it.
func (m *merger) append(p piece) {
	m.rows += int(p.n)
	if k := len(m.pieces) - 1; k >= 0 {
		if last := &m.pieces[k]; last.src == p.src && p.row == last.row+m.step*last.n {
			last.n += p.n
			return
		}
	}
	m.pieces = append(m.pieces, p)
}

// head returns the first n rows of the pieces, as pieces of their own.
func (m *merger) head(n int) []piece {
	var out []piece
	for _, p := range m.pieces {
		p.n = min(p.n, int32(n))
		out = append(out, p)
		if n -= int(p.n); n == 0 {
			break
		}
	}
	return out
}

// drop forgets the first n rows of the pieces.
func (m *merger) drop(n int) {
	m.rows -= n
	i := 0
	for n > 0 {
		p := &m.pieces[i]
		k := min(n, int(p.n))
		p.row += m.step * int32(k)
		p.n -= int32(k)
		n -= k
		if p.n == 0 {
			i++
		}
	}
	m.pieces = m.pieces[:copy(m.pieces, m.pieces[i:])]
}
