package query

import (
	"context"
	"encoding/base64"
	"io"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// backup is BACKUP, by which phyllo backup reads a snapshot: as COPY data, in a format of
// its own. The transaction keeps the snapshot between the statements.
func (s *Session) backup(ctx context.Context, st *ast.Backup) (string, error) {
	if err := s.mayBackup(); err != nil {
		return "", err
	}
	names, err := base64.StdEncoding.DecodeString(st.Chunks)
	if err != nil {
		return "", pgerr.New(pgerr.InvalidParameterValue, "names of chunks are not in base64: %v", err).At(st.Position())
	}
	out, err := s.client.CopyOut(true, 0)
	if err != nil {
		return "", err
	}
	stream := cancelable{ctx, out}
	if st.Chunks == "" {
		err = s.txn.Backup(ctx, stream)
	} else {
		err = s.txn.BackupChunks(ctx, names, stream)
	}
	if err != nil {
		return "", err
	}
	return "BACKUP", out.Close()
}

// mayBackup refuses a user or a transaction that cannot.
func (s *Session) mayBackup() error {
	if r := s.txn.Catalog().Roles[s.opt.User]; r != nil && !r.Superuser {
		return pgerr.New(pgerr.InsufficientPrivilege, "permission denied to make a backup").
			WithDetail("Only superusers may: a backup has all rows of all tables.")
	}
	if s.block != openBlock || s.level != "repeatable read" || !s.readOnly {
		return pgerr.New(pgerr.NoActiveTransaction, "BACKUP runs in a transaction that is REPEATABLE READ and READ ONLY").
			WithHint("Use phyllo backup.")
	}
	return nil
}

// cancelable makes writes fail when a statement is cancelled, also while nothing else
// looks.
type cancelable struct {
	ctx context.Context
	w   io.Writer
}

func (c cancelable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.w.Write(p)
}
