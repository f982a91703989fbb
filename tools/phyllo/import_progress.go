package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// importsName is the table beside the imported ones that says how far each file
// has come. A transaction holds rows and a row of it that counts them, so the last
// one is always true. Its key is refused when it comes twice: if the last
// transaction of an interrupted import comes through late, or two of one file are
// at work, a step is done by one of them and the other fails.
const importsName = "phyllo_imports"

// An importStep is a row of it.
type importStep struct {
	run, step   int64
	fingerprint string
	oid         string // of the table
	rows        int64  // of the file that are done
	finished    bool
}

// importProgress is where a file's steps are kept. It is used by one goroutine.
type importProgress struct {
	conn  *pgconn.PgConn
	table tablePath
	file  string // its absolute path
}

// errMoved says that somebody else has done the next step.
var errMoved = errors.New("another import of this file is at work, or the last transaction of an interrupted one came through just now: run the command again")

func newImportProgress(conn *pgconn.PgConn, table tablePath, path string) (*importProgress, error) {
	file, err := filepath.Abs(path)
	return &importProgress{conn, table, file}, err
}

// sql is the name of the table of steps.
func (p *importProgress) sql() string { return ast.QuoteIdent(p.table.schema) + "." + importsName }

// make makes the table of steps unless it is there.
func (p *importProgress) make(ctx context.Context) error {
	err := run(ctx, p.conn, "CREATE TABLE IF NOT EXISTS "+p.sql()+` (table_name text, file text, run bigint, step bigint, fingerprint text NOT NULL,
  table_oid bigint NOT NULL, rows_done bigint NOT NULL, finished boolean NOT NULL, at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_name, file, run, step)) WITH (on_duplicate = 'error')`)
	if sqlState(err) == pgerr.DuplicateTable { // another import made it meanwhile
		return nil
	}
	return err
}

// last returns the last step, nil if there is none, when no interrupted import
// can add another.
func (p *importProgress) last(ctx context.Context) (*importStep, error) {
	for {
		found, err := rows(ctx, p.conn, "SELECT run, step, fingerprint, table_oid, rows_done, finished FROM "+p.sql()+
			" WHERE table_name = $1 AND file = $2 ORDER BY run DESC, step DESC LIMIT 1", p.table.name, p.file)
		if err != nil {
			return nil, err
		}
		s := &importStep{run: 1}
		if len(found) > 0 {
			if s, err = readImportStep(found[0]); err != nil {
				return nil, fmt.Errorf("%s: %w", p.sql(), err)
			}
		}
		// To insert the step that comes next waits for whoever is about to.
		if err := run(ctx, p.conn, "BEGIN"); err != nil {
			return nil, err
		}
		next := *s
		err = p.put(ctx, &next)
		if rerr := run(ctx, p.conn, "ROLLBACK"); err == nil {
			err = rerr
		}
		switch {
		case errors.Is(err, errMoved):
		case err != nil:
			return nil, err
		case len(found) == 0:
			return nil, nil
		default:
			return s, nil
		}
	}
}

func readImportStep(f []string) (*importStep, error) {
	s := &importStep{fingerprint: f[2], oid: f[3], finished: f[5] == "t"}
	for i, to := range map[int]*int64{0: &s.run, 1: &s.step, 4: &s.rows} {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return nil, err
		}
		*to = n
	}
	return s, nil
}

// put makes s the step after itself and adds it in the transaction that is open.
func (p *importProgress) put(ctx context.Context, s *importStep) error {
	s.step++
	oid := s.oid
	if oid == "" {
		oid = "0"
	}
	_, err := rows(ctx, p.conn, "INSERT INTO "+p.sql()+" (table_name, file, run, step, fingerprint, table_oid, rows_done, finished) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		p.table.name, p.file, strconv.FormatInt(s.run, 10), strconv.FormatInt(s.step, 10), s.fingerprint, oid, strconv.FormatInt(s.rows, 10), strconv.FormatBool(s.finished))
	if sqlState(err) == pgerr.UniqueViolation {
		return errMoved
	}
	return err
}

// hashedBytes is how much of a file's beginning and end goes into its fingerprint.
const hashedBytes = 1 << 20

// fingerprintOf is a file's size with a hash of its beginning and its end, where a
// file of Parquet or Arrow says what is in it.
func fingerprintOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, from := range []int64{0, max(0, info.Size()-hashedBytes)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, from, hashedBytes)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d-%s", info.Size(), hex.EncodeToString(h.Sum(nil)[:16])), nil
}
