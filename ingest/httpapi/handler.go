// Package httpapi serves ingest over HTTP: rows in a request's body go into a
// table in one transaction, and the answer comes when they are durable.
package httpapi

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/phyllodb/phyllo/ingest/rows"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// ErrBusy is what a Target answers when its buffers are full: the client is to
// come again later.
var ErrBusy = errors.New("ingest: buffers are full")

// A Target opens loads into tables. It is safe for concurrent use.
type Target interface {
	// Load starts a transaction that inserts into a table, named table or
	// schema.table. It fails with ErrBusy under pressure and with SQLSTATE
	// 42P01 for an unknown table.
	Load(ctx context.Context, user, table string) (Load, error)
}

// A Load is one transaction. It is used by one goroutine.
type Load interface {
	Table() *schema.Table
	// Types are those that users have defined, nil if there are none.
	Types() datum.UserTypes
	// Insert adds rows: columns are indexes into the table's columns.
	Insert(ctx context.Context, columns []int, batch arrow.RecordBatch) (int64, error)
	// Commit makes the rows durable and visible.
	Commit(ctx context.Context) error
	// Rollback forgets them; after Commit it does nothing.
	Rollback()
}

// Options configure a handler; the zero value of each field means its default.
type Options struct {
	Target Target // required
	// MaxBodyBytes bounds a body after unpacking. Default 1 GiB.
	MaxBodyBytes int64
	// MaxRowBytes bounds one row. Default 32 MiB.
	MaxRowBytes int
	Logger      *slog.Logger
}

// Handler returns the handler of POST /api/v1/ingest/{table}.
func Handler(opt Options) http.Handler {
	if opt.MaxBodyBytes == 0 {
		opt.MaxBodyBytes = 1 << 30
	}
	if opt.MaxRowBytes == 0 {
		opt.MaxRowBytes = 32 << 20
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{opt}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/ingest/{table}", h.ingest)
	return mux
}

type handler struct{ opt Options }

// failure is the JSON of an error.
type failure struct {
	Error  string `json:"error"`
	Code   string `json:"code,omitempty"` // SQLSTATE
	Row    int64  `json:"row,omitempty"`
	Column string `json:"column,omitempty"`
	Value  string `json:"value,omitempty"`
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func (h *handler) ingest(w http.ResponseWriter, r *http.Request) {
	user, _, ok := r.BasicAuth()
	if !ok {
		user = "phyllo"
	}
	load, err := h.opt.Target.Load(r.Context(), user, r.PathValue("table"))
	if err != nil {
		h.fail(w, err)
		return
	}
	defer load.Rollback()
	n, err := h.decode(r, load)
	if err == nil {
		err = load.Commit(r.Context())
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"rows\": %d}\n", n)
}

// errBadRequest is a request that cannot be understood, whatever the rows.
type errBadRequest struct{ reason string }

func (e errBadRequest) Error() string { return e.reason }

func (h *handler) decode(r *http.Request, load Load) (int64, error) {
	body, err := unpack(r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	in := bufio.NewReaderSize(&limited{src: body, left: h.opt.MaxBodyBytes}, 64<<10)
	format, err := chooseFormat(r, in)
	if err != nil {
		return 0, err
	}
	env := &datum.Env{Types: load.Types()}
	sink := func(columns []int, batch arrow.RecordBatch) error {
		_, err := load.Insert(r.Context(), columns, batch)
		return err
	}
	if format == "csv" {
		return rows.CSV(in, load.Table(), env, h.opt.MaxRowBytes, sink)
	}
	return rows.NDJSON(in, load.Table(), env, h.opt.MaxRowBytes, sink)
}

// unpack undoes the body's Content-Encoding.
func unpack(r *http.Request) (io.ReadCloser, error) {
	switch e := strings.ToLower(r.Header.Get("Content-Encoding")); e {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, errBadRequest{"Content-Encoding gzip: " + err.Error()}
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, errBadRequest{"Content-Encoding zstd: " + err.Error()}
		}
		return z.IOReadCloser(), nil
	default:
		return nil, errBadRequest{fmt.Sprintf("Content-Encoding %q is not supported: use gzip or zstd", e)}
	}
}

// A limited reader fails when there is more than it may pass on.
type limited struct {
	src  io.Reader
	left int64
}

var errTooLarge = errors.New("the request's body is too large")

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := io.ReadFull(l.src, one[:]); n == 0 {
			return 0, err
		}
		return 0, errTooLarge
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.src.Read(p)
	l.left -= int64(n)
	return n, err
}

// chooseFormat takes ?format=, else the Content-Type, else looks at the data.
func chooseFormat(r *http.Request, in *bufio.Reader) (string, error) {
	switch f := strings.ToLower(r.URL.Query().Get("format")); f {
	case "csv", "ndjson":
		return f, nil
	case "json", "jsonl":
		return "ndjson", nil
	case "":
	default:
		return "", errBadRequest{fmt.Sprintf("format %q is not supported: use ndjson or csv", f)}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch kind {
	case "text/csv", "application/csv":
		return "csv", nil
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json", "application/x-jsonlines":
		return "ndjson", nil
	case "", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain":
		return detect(in)
	}
	return "", errBadRequest{fmt.Sprintf("Content-Type %q is not supported: use application/x-ndjson or text/csv", kind)}
}

// detect looks at the first byte that is not blank: objects start with a brace.
func detect(in *bufio.Reader) (string, error) {
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if len(b) < n {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
				return "", err
			}
			return "ndjson", nil // nothing, or nothing but blanks
		}
		switch b[n-1] {
		case ' ', '\t', '\r', '\n':
		case '{':
			return "ndjson", nil
		default:
			return "csv", nil
		}
	}
}

// fail answers an error: the one place where HTTP statuses are chosen.
func (h *handler) fail(w http.ResponseWriter, err error) {
	status, f := describe(err)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(1))
	case status >= 500:
		h.opt.Logger.Error("ingest failed", slog.String("error", err.Error()))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(f)
}

func describe(err error) (int, failure) {
	f := failure{Error: err.Error()}
	var pe *pgerr.Error
	if errors.As(err, &pe) {
		f.Code, f.Hint, f.Detail, f.Reason, f.Column = pe.Code, pe.Hint, pe.Detail, pe.Message, pe.Column
	}
	var re *rows.Error
	if errors.As(err, &re) {
		f.Row, f.Value, f.Reason = re.Row, re.Value, re.Cause.Error()
		if re.Column != "" {
			f.Column = re.Column
		}
	}
	var bad errBadRequest
	switch {
	case errors.Is(err, ErrBusy):
		return http.StatusTooManyRequests, f
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge, f
	case errors.As(err, &bad), re != nil:
		return http.StatusBadRequest, f
	case pe == nil:
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, zstd.ErrMagicMismatch) {
			return http.StatusBadRequest, f
		}
		return http.StatusInternalServerError, f
	}
	return statusOf(pe.Code), f
}

// statusOf maps SQLSTATEs: what the client can mend is 4xx.
func statusOf(code string) int {
	switch {
	case code == pgerr.UndefinedTable || code == pgerr.InvalidSchemaName:
		return http.StatusNotFound
	case code == pgerr.UniqueViolation:
		return http.StatusConflict
	case code == pgerr.DiskFull || code == pgerr.AdminShutdown || code == pgerr.CannotConnectNow:
		return http.StatusServiceUnavailable
	case strings.HasPrefix(code, "22"), strings.HasPrefix(code, "23"), strings.HasPrefix(code, "42"), strings.HasPrefix(code, "54"), code == pgerr.FeatureNotSupported:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
