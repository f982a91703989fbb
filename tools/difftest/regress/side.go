package regress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

// settings are those that PostgreSQL's own runner gives its sessions.
var settings = map[string]string{"timezone": "PST8PDT", "datestyle": "Postgres, MDY", "intervalstyle": "postgres_verbose"}

// patience is how long a statement may take.
const patience = 30 * time.Second

// firstUserOID is the first one that a server gives to what users make.
const firstUserOID = 16384

// A side is one of the two servers: a session that is opened again when it breaks.
type side struct {
	dsn  string
	conn *pgx.Conn
}

func (s *side) open(ctx context.Context) error {
	s.close(ctx)
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return err
	}
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	s.conn, err = pgx.ConnectConfig(ctx, config)
	return err
}

func (s *side) close(ctx context.Context) {
	if s.conn != nil {
		s.conn.Close(ctx)
	}
}

// run runs a statement and returns what the server answers. A session that breaks answers with an
// SQLSTATE that there is not.
func (s *side) run(ctx context.Context, it psqlscript.Item) (compare.Result, error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := s.answer(wait, it)
	if err == nil {
		err = s.nameTypes(wait, &r)
	}
	if err == nil {
		return r, nil
	}
	return compare.Result{Code: "broken", Message: err.Error()}, s.open(ctx)
}

func (s *side) answer(ctx context.Context, it psqlscript.Item) (compare.Result, error) {
	switch copies(it.SQL) {
	case copyIn:
		tag, err := s.conn.PgConn().CopyFrom(ctx, strings.NewReader(it.Data), it.SQL)
		return copied(tag, err)
	case copyOut:
		var b bytes.Buffer
		tag, err := s.conn.PgConn().CopyTo(ctx, &b, it.SQL)
		r, err := copied(tag, err)
		if r.Code == "" {
			for _, line := range strings.SplitAfter(b.String(), "\n") {
				r.Rows = append(r.Rows, []string{line})
			}
			r.Columns, r.OIDs = []string{"lines"}, []uint32{0}
		}
		return r, err
	}
	return compare.Query(ctx, s.conn, it.SQL)
}

func copied(tag pgconn.CommandTag, err error) (compare.Result, error) {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return compare.Result{Code: pe.Code, Message: pe.Message}, nil
	}
	return compare.Result{Tag: tag.String()}, err
}

// nameTypes puts names for the types of columns that users made, whose numbers differ.
func (s *side) nameTypes(ctx context.Context, r *compare.Result) error {
	for i, oid := range r.OIDs {
		if oid < firstUserOID {
			continue
		}
		name, err := compare.Query(ctx, s.conn, fmt.Sprintf("SELECT format_type(%d, -1)", oid))
		if err != nil {
			return err
		}
		if name.Code == "" && len(name.Rows) == 1 {
			column, _, _ := strings.Cut(r.Columns[i], ":")
			r.Columns[i] = column + ":" + name.Rows[0][0]
		}
	}
	return nil
}

// failed says whether the session is in a transaction that has failed.
func (s *side) failed() bool { return s.conn.PgConn().TxStatus() == 'E' }

// inTransaction says whether it is in one that has not.
func (s *side) inTransaction() bool { return s.conn.PgConn().TxStatus() == 'T' }

const (
	copyIn = iota + 1
	copyOut
)

// copies says which way rows go beside the protocol's usual messages, or 0.
func copies(sql string) int {
	tokens := psqlscript.Tokens(sql)
	if len(tokens) == 0 || tokens[0].Text != "copy" {
		return 0
	}
	depth := 0
	for i, t := range tokens[:len(tokens)-1] {
		switch {
		case t.Text == "(":
			depth++
		case t.Text == ")":
			depth--
		case depth == 0 && t.Text == "from" && tokens[i+1].Text == "stdin":
			return copyIn
		case depth == 0 && t.Text == "to" && tokens[i+1].Text == "stdout":
			return copyOut
		}
	}
	return 0
}
