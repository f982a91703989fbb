package query

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Portal is a statement being run: a bound prepared statement or a cursor.
// It belongs to its session's goroutine.
type Portal struct {
	// Formats are the result formats that the client asked for; the session
	// does not look at them.
	Formats []int16

	name   string
	stmt   *Prepared
	params []datum.Value
	fields []plan.Field

	// depth is how many savepoints there were when it was made.
	depth   int
	made    time.Time // a cursor by DECLARE
	started bool
	done    bool // no more rows
	failed  bool // an error ended it
	held    bool // outlives its transaction
	binary  bool // a BINARY cursor, or FETCH from one
	cursor  *cursorOptions
	rows    exec.Operator     // nil if the statement returns none
	rest    arrow.RecordBatch // fetched and not handed on
	sent    int64
	tag     string // set when the statement does not count its rows
}

// Fields are the columns of the rows, nil if there are none.
func (p *Portal) Fields() []plan.Field { return p.fields }

// Bind makes a portal of a prepared statement; the empty name may be taken again.
func (s *Session) Bind(_ context.Context, name string, stmt *Prepared, params []datum.Value) (_ *Portal, err error) {
	defer s.caught(&err)
	if err := s.checkBlock(stmt.stmt); err != nil {
		return nil, err
	}
	if old := s.portals[name]; old != nil {
		if name != "" {
			return nil, pgerr.New(pgerr.DuplicateCursor, "cursor %q already exists", name)
		}
		old.close()
	}
	p := &Portal{name: name, stmt: stmt, params: params, fields: stmt.fields, depth: len(s.savepoints)}
	if stmt.stmt != nil && !plannable(stmt.stmt) {
		// What FETCH and EXECUTE return depends on what their names mean now.
		var err error
		if p.fields, err = s.utilityFields(stmt.stmt); err != nil {
			return nil, err
		}
	}
	if name != "" {
		if err := s.checkHeld(p.sizeBytes()); err != nil {
			return nil, err
		}
	}
	s.portals[name] = p
	return p, nil
}

// Portal finds a portal.
func (s *Session) Portal(name string) (*Portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, pgerr.New(pgerr.InvalidCursorName, "portal %q does not exist", name)
}

// ClosePortal forgets a portal, if there is such.
func (s *Session) ClosePortal(name string) {
	if p := s.portals[name]; p != nil {
		p.close()
		delete(s.portals, name)
	}
}

func (s *Session) closePortals(which func(*Portal) bool) {
	for name, p := range s.portals {
		if which(p) {
			p.close()
			delete(s.portals, name)
		}
	}
}

// close releases what the portal holds.
func (p *Portal) close() {
	if p.rest != nil {
		p.rest.Release()
		p.rest = nil
	}
	if p.rows != nil {
		p.rows.Close()
		p.rows = nil
	}
	if w := p.kept(); w != nil {
		w.close()
		p.cursor.scroll = nil
	}
	p.done = true
}

// kept are the rows of a cursor that keeps them, nil for others.
func (p *Portal) kept() *scroll {
	if p.cursor == nil {
		return nil
	}
	return p.cursor.scroll
}

// Execute runs a portal until it has sent max rows (0: all); suspended says
// that it stopped at that limit. Otherwise the tag was sent.
func (s *Session) Execute(ctx context.Context, p *Portal, max int64) (suspended bool, err error) {
	defer s.caught(&err)
	if p.stmt.stmt == nil {
		return false, s.client.Empty()
	}
	if err := s.checkBlock(p.stmt.stmt); err != nil {
		return false, err
	}
	if p.started && p.fields == nil {
		return false, pgerr.New(pgerr.ObjectNotInState, "portal %q cannot be run", p.name)
	}
	s.setState("active", p.stmt.text)
	err = s.interruptible(ctx, func(ctx context.Context) error {
		if !p.started {
			p.started = true
			if err := s.start(ctx, p); err != nil {
				return err
			}
		}
		suspended, err = s.send(ctx, p, max)
		return err
	})
	if err != nil {
		p.close()
		return false, err
	}
	if suspended {
		return true, nil
	}
	return false, s.client.Complete(p.completion())
}

// send hands rows to the client.
func (s *Session) send(ctx context.Context, p *Portal, max int64) (suspended bool, err error) {
	p.sent = 0
	for !p.done && (p.rows != nil || p.kept() != nil) {
		if max > 0 && p.sent == max {
			return true, nil
		}
		limit := int64(-1)
		if max > 0 {
			limit = max - p.sent
		}
		batch, err := p.next(ctx, limit)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		p.sent += batch.NumRows()
		err = s.client.Rows(p.fields, batch)
		batch.Release()
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// next returns up to limit rows (negative: any number), which the caller
// releases, or io.EOF.
func (p *Portal) next(ctx context.Context, limit int64) (arrow.RecordBatch, error) {
	if p.kept() != nil {
		return p.cursor.next(ctx, limit)
	}
	b, err := p.advance(ctx, limit)
	if err == nil && p.cursor != nil {
		p.cursor.position += b.NumRows()
	}
	return b, err
}

// advance is next for rows that are not kept.
func (p *Portal) advance(ctx context.Context, limit int64) (arrow.RecordBatch, error) {
	if p.done || p.rows == nil {
		return nil, io.EOF
	}
	batch := p.rest
	p.rest = nil
	if batch == nil {
		var err error
		if batch, err = p.rows.Next(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				p.done = true
				p.rows.Close()
				p.rows = nil
			}
			return nil, err
		}
	}
	if limit < 0 || batch.NumRows() <= limit {
		return batch, nil
	}
	head := batch.NewSlice(0, limit)
	p.rest = batch.NewSlice(limit, batch.NumRows())
	batch.Release()
	return head, nil
}

// completion is the tag of a finished run.
func (p *Portal) completion() string {
	if p.tag != "" {
		return p.tag
	}
	return "SELECT " + strconv.FormatInt(p.sent, 10)
}
