package query_test

import (
	"io"
	"testing"

	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
)

// copyRecorder also hears COPY data.
type copyRecorder struct{ *recorder }

func (r copyRecorder) CopyOut(bool, int) (io.WriteCloser, error) { return r, nil }
func (r copyRecorder) Write(p []byte) (int, error) {
	r.heard = append(r.heard, string(p))
	return len(p), nil
}
func (r copyRecorder) Close() error { return nil }

func TestBackup(t *testing.T) {
	store := newFakeStore()
	store.catalog.Roles = map[string]*schema.Role{"guest": {Name: "guest"}}
	e := query.NewEngine(query.Options{Storage: store, TempDir: t.TempDir()})
	open := func(user string) *fakeSession {
		client := &recorder{}
		s, err := e.NewSession(query.SessionOptions{User: user, Database: "phyllo", Client: copyRecorder{client}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return &fakeSession{s, client}
	}
	s := open("tester")
	const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	s.expect(t, begin, "BEGIN")
	s.expect(t, "BACKUP TO STDOUT", "all", "BACKUP")
	s.expect(t, "backup 'YWJj' to stdout", "abc", "BACKUP")
	s.expect(t, "BACKUP 'no' TO STDOUT", "22023 names of chunks are not in base64: illegal base64 data at input byte 0")
	s.expect(t, "ROLLBACK", "ROLLBACK")
	const refused = "25P01 BACKUP runs in a transaction that is REPEATABLE READ and READ ONLY"
	for _, sql := range []string{"BACKUP TO STDOUT", "BEGIN; BACKUP TO STDOUT", "BEGIN READ ONLY; BACKUP TO STDOUT"} {
		got := s.run(sql)
		if got[len(got)-1] != refused {
			t.Errorf("%s: %q", sql, got)
		}
		s.run("ROLLBACK")
	}
	guest := open("guest")
	guest.expect(t, begin, "BEGIN")
	guest.expect(t, "BACKUP TO STDOUT", "42501 permission denied to make a backup")
	s.expect(t, "SELECT 1 AS backup", "1", "SELECT 1") // it is no keyword
}
