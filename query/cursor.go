package query

import (
	"context"
	"errors"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// cursorOptions are what DECLARE said, and where the cursor stands.
type cursorOptions struct {
	hold, backward bool
	// undecided: DECLARE did not say whether it goes backward. Its plan decides, as in PostgreSQL.
	undecided bool
	// position is the number of the row that was fetched last: 0 before the first one, one
	// more than there are behind the last one.
	position int64
	scroll   *scroll // nil for a cursor that goes forward only, in its transaction
}

// declare is DECLARE: a portal under the cursor's name.
func (s *Session) declare(ctx context.Context, p *Portal, st *ast.DeclareCursor) (string, error) {
	if st.Query.With.Changing() != nil {
		return "", pgerr.Unsupported("DECLARE CURSOR must not contain data-modifying statements in WITH")
	}
	if st.Query.Into != nil {
		return "", pgerr.New(pgerr.SyntaxError, "SELECT ... INTO is not allowed here").At(st.Query.Into.Position())
	}
	if len(st.Query.Locking) > 0 {
		clause := bind.Strength(st.Query.Locking[0])
		switch {
		case st.Hold:
			return "", pgerr.Unsupported("DECLARE CURSOR WITH HOLD ... %s is not supported", clause).WithDetail("Holdable cursors must be READ ONLY.")
		case st.Scroll != nil && *st.Scroll:
			return "", pgerr.Unsupported("DECLARE SCROLL CURSOR ... %s is not supported", clause).WithDetail("Scrollable cursors must be READ ONLY.")
		}
	}
	if !s.inBlock() && !st.Hold {
		return "", noTransaction("DECLARE CURSOR")
	}
	if s.portals[st.Name] != nil {
		return "", pgerr.New(pgerr.DuplicateCursor, "cursor %q already exists", st.Name)
	}
	c := &Portal{name: st.Name, stmt: &Prepared{text: s.source(), stmt: st.Query, params: p.stmt.params}, params: p.params, depth: len(s.savepoints),
		cursor: &cursorOptions{hold: st.Hold, backward: st.Scroll != nil && *st.Scroll, undecided: st.Scroll == nil}, started: true, binary: st.Binary, made: time.Now()}
	if err := s.checkHeld(c.sizeBytes()); err != nil {
		return "", err
	}
	if err := s.start(ctx, c); err != nil {
		c.close()
		return "", err
	}
	if c.cursor.backward {
		c.cursor.scroll = newScroll(s.runtime(ctx, p.params, nil), c.rows, c.fields)
		c.cursor.scroll.forgets = c.cursor.undecided
	}
	s.portals[st.Name] = c
	return "DECLARE CURSOR", nil
}

// goesBackward says whether a cursor of a plan goes backward without SCROLL: PostgreSQL lets those
// whose plan it can run backward, which are scans, sorted or not.
func goesBackward(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan, *plan.VirtualScan, *plan.FunctionScan, *plan.CTEScan, *plan.Sort:
		return true
	case *plan.Values:
		return len(n.Rows) > 1
	case *plan.Project:
		return goesBackward(n.Input)
	case *plan.Filter:
		return goesBackward(n.Input)
	case *plan.Limit:
		return goesBackward(n.Input)
	case *plan.CTE:
		return goesBackward(n.Body)
	case *plan.SetOp:
		return n.Kind == plan.UnionAll && goesBackward(n.Left) && goesBackward(n.Right)
	}
	return false
}

// cursorPortal finds an open cursor: DECLAREd, or a portal of the protocol.
func (s *Session) cursorPortal(name string) (*Portal, error) {
	if p := s.portals[name]; p != nil && p.failed {
		return nil, pgerr.New(pgerr.ObjectNotInState, "portal %q cannot be run", name)
	} else if p != nil && p.started {
		return p, nil
	}
	return nil, pgerr.New(pgerr.InvalidCursorName, "cursor %q does not exist", name)
}

// fetch is FETCH and MOVE.
func (s *Session) fetch(ctx context.Context, p *Portal, st *ast.Fetch) error {
	c, err := s.cursorPortal(st.Cursor)
	if err != nil {
		return err
	}
	verb := "FETCH "
	var keep *exec.Spool
	if st.Move {
		verb = "MOVE "
	} else {
		keep = exec.NewSpool(s.runtime(ctx, nil, nil))
		p.fields, p.binary = c.fields, c.binary
	}
	n, err := c.move(ctx, st, keep)
	if err != nil {
		c.close()
		c.failed = true
		if keep != nil {
			keep.Close()
		}
		return err
	}
	p.tag = verb + strconv.FormatInt(n, 10)
	if keep != nil {
		p.rows = keep.Operator(arrowSchema(c.fields))
	}
	return nil
}

// errForwardOnly refuses a direction.
var errForwardOnly = pgerr.New(pgerr.ObjectNotInState, "cursor can only scan forward").
	WithHint("Declare it with SCROLL option to enable backward scan.")

// move moves a cursor, adds the rows that it comes to to keep unless that is nil, and counts
// them.
func (p *Portal) move(ctx context.Context, st *ast.Fetch, keep *exec.Spool) (int64, error) {
	switch st.Direction {
	case ast.FetchAbsolute:
		return p.moveTo(ctx, st.Count, keep)
	case ast.FetchRelative:
		switch {
		case st.Count > 0:
			if _, err := p.take(ctx, st.Count-1, nil); err != nil {
				return 0, err
			}
			return p.take(ctx, 1, keep)
		case st.Count < 0:
			if _, err := p.takeBack(ctx, -st.Count-1, nil); err != nil {
				return 0, err
			}
			return p.takeBack(ctx, 1, keep)
		}
		return p.again(ctx, keep)
	}
	count := st.Count
	if st.Direction == ast.FetchBackward {
		count = -count
	}
	switch {
	case count > 0:
		return p.take(ctx, count, keep)
	case count < 0:
		return p.takeBack(ctx, -count, keep)
	}
	return p.again(ctx, keep)
}

// position is the number of the row that was fetched last.
func (p *Portal) position() int64 {
	if p.cursor == nil {
		return 0
	}
	return p.cursor.position
}

// moveTo is ABSOLUTE: the row of a number, from the end if that is negative; 0 is before
// the first row.
func (p *Portal) moveTo(ctx context.Context, row int64, keep *exec.Spool) (int64, error) {
	if row > p.position() {
		if _, err := p.take(ctx, row-p.position()-1, nil); err != nil {
			return 0, err
		}
		return p.take(ctx, 1, keep)
	}
	w, err := p.scroll()
	if err != nil {
		return 0, err
	}
	if row < 0 {
		n, err := w.reach(ctx, math.MaxInt64)
		if err != nil {
			return 0, err
		}
		row = max(n+1+row, 0)
	}
	p.cursor.position = row
	return p.again(ctx, keep)
}

// again fetches the row that the cursor stands on, if it does.
func (p *Portal) again(ctx context.Context, keep *exec.Spool) (int64, error) {
	if p.position() == 0 {
		return 0, nil
	}
	if p.done && p.kept() == nil {
		return 0, nil // behind the last row
	}
	w, err := p.scroll()
	if err != nil {
		return 0, err
	}
	if p.cursor.position > w.known() {
		return 0, nil
	}
	if keep != nil {
		b, err := w.upward(ctx, p.cursor.position, p.cursor.position)
		if err != nil {
			return 0, err
		}
		if err := addTo(keep, b); err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// scroll returns the rows of a cursor that may go backward.
func (p *Portal) scroll() (*scroll, error) {
	if p.cursor == nil || !p.cursor.backward || p.cursor.scroll == nil {
		return nil, errForwardOnly
	}
	return p.cursor.scroll, nil
}

// take advances by up to n rows, which it adds to keep unless that is nil; if there are
// fewer the cursor stands behind the last one.
func (p *Portal) take(ctx context.Context, n int64, keep *exec.Spool) (int64, error) {
	var done int64
	for done < n {
		batch, err := p.next(ctx, n-done)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return done, err
		}
		done += batch.NumRows()
		if err := addTo(keep, batch); err != nil {
			return done, err
		}
	}
	return done, nil
}

// takeBack is take in the other direction, to before the first row.
func (p *Portal) takeBack(ctx context.Context, n int64, keep *exec.Spool) (int64, error) {
	w, err := p.scroll()
	if err != nil {
		return 0, err
	}
	c := p.cursor
	before := c.position - 1 // the row that comes first
	asked := n
	n = min(n, max(before, 0))
	last := before - n + 1
	for row := before; keep != nil && row >= last; {
		b, err := w.downward(ctx, row, last)
		if err != nil {
			return 0, err
		}
		row -= b.NumRows()
		if err := addTo(keep, b); err != nil {
			return 0, err
		}
	}
	switch {
	case asked > n:
		c.position = 0
	case n > 0:
		c.position = last
	}
	return n, nil
}

// next is Portal.next of a cursor whose rows are kept.
func (c *cursorOptions) next(ctx context.Context, limit int64) (arrow.RecordBatch, error) {
	first := c.position + 1
	known, err := c.scroll.reach(ctx, first)
	if err != nil {
		return nil, err
	}
	if known < first {
		c.position = known + 1
		return nil, io.EOF
	}
	last := known
	if limit >= 0 && limit < known-c.position {
		last = c.position + limit
	}
	b, err := c.scroll.upward(ctx, first, last)
	if err == nil {
		c.position += b.NumRows()
	}
	return b, err
}

// addTo adds a batch, which it takes over, to rows that are kept, if any are.
func addTo(keep *exec.Spool, b arrow.RecordBatch) error {
	defer b.Release()
	if keep == nil {
		return nil
	}
	return keep.Add(b)
}

// closeCursor is CLOSE.
func (s *Session) closeCursor(st *ast.CloseCursor) (string, error) {
	if st.All {
		s.closePortals(func(p *Portal) bool { return p.cursor != nil })
		return "CLOSE CURSOR ALL", nil
	}
	if p := s.portals[st.Name]; p == nil || !p.failed { // one that failed can only be closed
		if _, err := s.cursorPortal(st.Name); err != nil {
			return "", err
		}
	}
	s.ClosePortal(st.Name)
	return "CLOSE CURSOR", nil
}

// holdCursors reads the rest of WITH HOLD cursors before their transaction ends.
func (s *Session) holdCursors(ctx context.Context) error {
	for _, p := range s.portals {
		if p.cursor == nil || !p.cursor.hold || p.held {
			continue
		}
		c := p.cursor
		if c.scroll == nil {
			c.scroll = newScroll(s.runtime(ctx, p.params, nil), p.rows, p.fields)
			c.scroll.gone = c.position
			if p.done {
				c.position++
			}
			if rest := p.rest; rest != nil {
				p.rest = nil
				if err := c.scroll.add(rest); err != nil {
					return err
				}
			}
		}
		c.scroll.forgets = false
		if _, err := c.scroll.reach(ctx, math.MaxInt64); err != nil {
			return err
		}
		p.rows, p.done, p.held = nil, false, true // its rows are the scroll's
	}
	return nil
}

var _ exec.Operator = (*rowSet)(nil)
