package query

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/exec"
)

// cursorOptions are what DECLARE said, and where the cursor stands.
type cursorOptions struct {
	hold     bool
	position int64 // rows fetched so far
}

// declare is DECLARE: a portal under the cursor's name. Cursors go forward only.
func (s *Session) declare(ctx context.Context, p *Portal, st *ast.DeclareCursor) (string, error) {
	if !s.inBlock() && !st.Hold {
		return "", noTransaction("DECLARE CURSOR")
	}
	if st.Scroll != nil && *st.Scroll {
		return "", pgerr.Unsupported("scrollable cursors are not supported").WithHint("Use NO SCROLL, or sort the query the other way.")
	}
	if s.portals[st.Name] != nil {
		return "", pgerr.New(pgerr.DuplicateCursor, "cursor %q already exists", st.Name)
	}
	c := &Portal{name: st.Name, stmt: &Prepared{text: st.Text, stmt: st.Query, params: p.stmt.params}, params: p.params,
		cursor: &cursorOptions{hold: st.Hold}, started: true, binary: st.Binary}
	if st.Query.Into != nil {
		return "", pgerr.New(pgerr.SyntaxError, "SELECT ... INTO is not allowed here").At(st.Query.Into.Position())
	}
	if err := s.start(ctx, c); err != nil {
		c.close()
		return "", err
	}
	s.portals[st.Name] = c
	return "DECLARE CURSOR", nil
}

// cursorPortal finds an open cursor: DECLAREd, or a portal of the protocol.
func (s *Session) cursorPortal(name string) (*Portal, error) {
	if p := s.portals[name]; p != nil && p.started {
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
	count, skip, err := c.forward(st)
	if err != nil {
		return err
	}
	if _, err := c.take(ctx, skip, nil); err != nil {
		return err
	}
	verb := "FETCH "
	var keep *batchList
	if st.Move {
		verb = "MOVE "
	} else {
		keep = &batchList{}
		p.fields, p.binary = c.fields, c.binary
	}
	n, err := c.take(ctx, count, keep)
	if err != nil {
		keep.release()
		return err
	}
	p.tag = verb + strconv.FormatInt(n, 10)
	if keep != nil {
		p.rows = keep.operator(c.fields)
	}
	return nil
}

// forward turns a direction into rows to skip and rows to return.
func (p *Portal) forward(st *ast.Fetch) (count, skip int64, err error) {
	backward := pgerr.New(pgerr.ObjectNotInState, "cursor can only scan forward").WithHint("Declare it with SCROLL option to enable backward scan.")
	position := int64(0)
	if p.cursor != nil {
		position = p.cursor.position
	}
	switch st.Direction {
	case ast.FetchForward:
		if st.Count < 0 || st.Count == 0 && position > 0 && !p.done {
			return 0, 0, backward // FETCH 0 would return the current row again
		}
		return st.Count, 0, nil
	case ast.FetchAbsolute:
		if st.Count <= position {
			return 0, 0, backward
		}
		return 1, st.Count - position - 1, nil
	case ast.FetchRelative:
		if st.Count <= 0 {
			return 0, 0, backward
		}
		return 1, st.Count - 1, nil
	}
	return 0, 0, backward
}

// take advances by up to n rows, which it adds to keep unless that is nil.
func (p *Portal) take(ctx context.Context, n int64, keep *batchList) (int64, error) {
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
		if keep != nil {
			keep.batches = append(keep.batches, batch)
		} else {
			batch.Release()
		}
	}
	if p.cursor != nil {
		p.cursor.position += done
	}
	return done, nil
}

// closeCursor is CLOSE.
func (s *Session) closeCursor(st *ast.CloseCursor) (string, error) {
	if st.All {
		s.closePortals(func(p *Portal) bool { return p.cursor != nil })
		return "CLOSE CURSOR ALL", nil
	}
	if _, err := s.cursorPortal(st.Name); err != nil {
		return "", err
	}
	s.ClosePortal(st.Name)
	return "CLOSE CURSOR", nil
}

// maxHeldBytes bounds the rows that WITH HOLD keeps of one cursor.
const maxHeldBytes = 64 << 20

// holdCursors reads the rest of WITH HOLD cursors before their transaction ends.
func (s *Session) holdCursors(ctx context.Context) error {
	for _, p := range s.portals {
		if p.cursor == nil || !p.cursor.hold || p.held {
			continue
		}
		list := &batchList{}
		for {
			batch, err := p.next(ctx, -1)
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				list.batches = append(list.batches, batch)
				if list.sizeBytes() > maxHeldBytes {
					err = pgerr.New(pgerr.OutOfMemory, "cursor %q WITH HOLD has more than %d MiB of rows", p.name, maxHeldBytes>>20)
				}
			}
			if err != nil {
				list.release()
				return err
			}
		}
		p.rows, p.done, p.held = list.operator(p.fields), false, true
	}
	return nil
}

// A batchList is rows kept in memory.
type batchList struct{ batches []arrow.RecordBatch }

func (l *batchList) release() {
	if l == nil {
		return
	}
	for _, b := range l.batches {
		b.Release()
	}
	l.batches = nil
}

func (l *batchList) sizeBytes() int64 {
	var n int64
	for _, b := range l.batches {
		for _, c := range b.Columns() {
			for _, buf := range c.Data().Buffers() {
				if buf != nil {
					n += int64(buf.Len())
				}
			}
		}
	}
	return n
}

var _ exec.Operator = (*rowSet)(nil)
