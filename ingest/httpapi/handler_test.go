package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// fake is a Target with one table and a Load that counts.
type fake struct {
	busy      bool
	insertErr error
	rows      int64
	user      string
	committed bool
	undone    bool
}

func (f *fake) Load(_ context.Context, user, table string) (Load, error) {
	f.user = user
	switch {
	case f.busy:
		return nil, ErrBusy
	case table != "buses":
		return nil, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", table)
	}
	return f, nil
}

func (f *fake) Types() datum.UserTypes { return nil }

func (f *fake) Table() *schema.Table {
	return &schema.Table{Name: "buses", Columns: []schema.Column{
		{ID: 1, Name: "id", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "name", Type: datum.Of(datum.Text)},
	}}
}

func (f *fake) Insert(_ context.Context, _ []int, b arrow.RecordBatch) (int64, error) {
	if f.insertErr != nil {
		return 0, f.insertErr
	}
	f.rows += b.NumRows()
	return b.NumRows(), nil
}

func (f *fake) Commit(context.Context) error { f.committed = true; return nil }
func (f *fake) Rollback()                    { f.undone = !f.committed }

func packed(t *testing.T, pack func(io.Writer) io.WriteCloser, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := pack(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIngest(t *testing.T) {
	const two = `{"id": 1, "name": "a"}` + "\n" + `{"id": 2}` + "\n"
	const csv = "id,name\n1,a\n2,b\n"
	gz := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, two)
	zs := packed(t, func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }, two)
	bomb := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, strings.Repeat("{\"id\":1}\n", 500_000))
	for _, c := range []struct {
		name, path, body string
		header           map[string]string
		target           fake
		status           int
		rows             int64
		want             failure
	}{
		{name: "detected ndjson", body: two, status: 200, rows: 2},
		{name: "detected csv", body: csv, status: 200, rows: 2},
		{name: "detected though a form is claimed", body: two, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: 200, rows: 2},
		{name: "by content type", body: csv, header: map[string]string{"Content-Type": "text/csv; charset=utf-8"}, status: 200, rows: 2},
		{name: "format before content type", path: "buses?format=csv", body: csv, header: map[string]string{"Content-Type": "application/json"}, status: 200, rows: 2},
		{name: "nothing", body: "", status: 200},
		{name: "gzip", body: gz, header: map[string]string{"Content-Encoding": "gzip"}, status: 200, rows: 2},
		{name: "zstd", body: zs, header: map[string]string{"Content-Encoding": "zstd"}, status: 200, rows: 2},
		{name: "not gzip", body: two, header: map[string]string{"Content-Encoding": "gzip"}, status: 400},
		{name: "torn gzip", body: gz[:len(gz)-6], header: map[string]string{"Content-Encoding": "gzip"}, status: 400, want: failure{Code: "22P02", Row: 3}},
		{name: "too large when unpacked", body: bomb, header: map[string]string{"Content-Encoding": "gzip"}, status: 413},
		{name: "unknown encoding", body: two, header: map[string]string{"Content-Encoding": "br"}, status: 400},
		{name: "unknown format", path: "buses?format=xml", body: two, status: 400},
		{name: "unknown content type", body: two, header: map[string]string{"Content-Type": "image/png"}, status: 400},
		{name: "unknown table", path: "trams", body: two, status: 404, want: failure{Code: "42P01"}},
		{name: "bad value", body: "{\"id\": 1}\n{\"id\": \"x\"}\n", status: 400, want: failure{Code: "22P02", Row: 2, Column: "id", Value: "x"}},
		{name: "unknown column", body: `{"no": 1}`, status: 400, want: failure{Code: "42703", Row: 1, Column: "no"}},
		{name: "long row", body: `{"name": "` + strings.Repeat("x", 3<<20) + `"}`, status: 400, want: failure{Code: "54000", Row: 1}},
		{name: "busy", body: two, target: fake{busy: true}, status: 429},
		{name: "full disk", body: two, target: fake{insertErr: pgerr.New(pgerr.DiskFull, "full")}, status: 503, want: failure{Code: "53100"}},
		{name: "refused row", body: two, target: fake{insertErr: &pgerr.Error{Code: pgerr.NotNullViolation, Message: "null", Column: "name", Row: 2}},
			status: 400, want: failure{Code: "23502", Row: 2, Column: "name"}},
		{name: "duplicate", body: two, target: fake{insertErr: pgerr.New(pgerr.UniqueViolation, "dup")}, status: 409, want: failure{Code: "23505"}},
		{name: "our fault", body: two, target: fake{insertErr: io.ErrNoProgress}, status: 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := c.target
			h := Handler(Options{Target: &target, MaxBodyBytes: 1<<22 - 1, MaxRowBytes: 2 << 20})
			path := c.path
			if path == "" {
				path = "buses"
			}
			r := httptest.NewRequest(http.MethodPost, "/api/v1/ingest/"+path, strings.NewReader(c.body))
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if target.committed != (c.status == 200) {
				t.Errorf("committed: %v", target.committed)
			}
			if c.status == 200 {
				var ok struct{ Rows int64 }
				if err := json.Unmarshal(w.Body.Bytes(), &ok); err != nil || ok.Rows != c.rows || target.rows != c.rows {
					t.Errorf("%s (%v); %d rows inserted, want %d", w.Body, err, target.rows, c.rows)
				}
				return
			}
			var got failure
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
			if got.Code != c.want.Code || got.Row != c.want.Row || got.Column != c.want.Column || got.Value != c.want.Value || got.Error == "" {
				t.Errorf("answered %+v, want %+v", got, c.want)
			}
			retry := w.Header().Get("Retry-After") != ""
			if retry != (c.status == 429 || c.status == 503) {
				t.Errorf("Retry-After: %v", retry)
			}
		})
	}
}

// TestOtherRequests answers what is no ingest as HTTP does.
func TestOtherRequests(t *testing.T) {
	h := Handler(Options{Target: &fake{}})
	for path, want := range map[string]int{"/api/v1/ingest/": 404, "/api/v1/ingest/a/b": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != want {
			t.Errorf("POST %s: %d, want %d", path, w.Code, want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/ingest/buses", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d, want 405", w.Code)
	}
}
