package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// served is an error of a server by its code alone.
type served int

func (s served) Code() int       { return int(s) }
func (s served) Message() string { return s.Error() }
func (s served) Error() string   { return fmt.Sprintf("error %#x", int(s)) }

func TestFailed(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		code   string
		detail string
	}{
		{"unavailable", &gocql.RequestErrUnavailable{Consistency: gocql.LocalQuorum, Required: 2, Alive: 1}, pgerr.IOError, "LOCAL_QUORUM needs 2 replicas, 1 are up"},
		{"write timeout", &gocql.RequestErrWriteTimeout{Consistency: gocql.LocalQuorum, BlockFor: 2, Received: 1}, pgerr.IOError, "LOCAL_QUORUM needs 2 replicas, 1 answered"},
		{"read timeout", &gocql.RequestErrReadTimeout{Consistency: gocql.All, BlockFor: 3, Received: 2}, pgerr.IOError, "ALL needs 3 replicas, 2 answered"},
		{"read failure", &gocql.RequestErrReadFailure{Consistency: gocql.One, BlockFor: 1, NumFailures: 1}, pgerr.IOError, "ONE needs 1 replicas, 0 answered"},
		{"write failure", &gocql.RequestErrWriteFailure{Consistency: gocql.One, BlockFor: 1, NumFailures: 1}, pgerr.IOError, "ONE needs 1 replicas, 0 answered"},
		{"not decided", &gocql.RequestErrCASWriteUnknown{Consistency: gocql.LocalSerial, BlockFor: 2}, pgerr.IOError, "LOCAL_SERIAL needs 2 replicas, 0 answered"},
		{"no servers", gocql.ErrNoConnections, pgerr.IOError, ""},
		{"silence", gocql.ErrTimeoutNoResponse, pgerr.IOError, ""},
		{"connection", io.EOF, pgerr.IOError, ""},
		{"overloaded", served(gocql.ErrCodeOverloaded), pgerr.IOError, ""},
		{"no rights", served(gocql.ErrCodeUnauthorized), pgerr.InsufficientPrivilege, ""},
		{"our mistake", served(gocql.ErrCodeInvalid), pgerr.InternalError, ""},
	} {
		err := failed("do it", fmt.Errorf("wrapped: %w", test.err))
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Detail, test.detail) || !errors.Is(err, test.err) {
			t.Errorf("%s: %v (%s), detail %q; want %s, %q", test.name, err, e.Code, e.Detail, test.code, test.detail)
		}
		if Retryable(err) != (test.code == pgerr.IOError) || Retryable(err) != (e.Hint != "") {
			t.Errorf("%s: retryable %v, hint %q", test.name, Retryable(err), e.Hint)
		}
		if again := failed("another", err); again != err {
			t.Errorf("%s: said twice: %v", test.name, again)
		}
	}
	for _, err := range []error{context.Canceled, context.DeadlineExceeded, errClosed} {
		if got := failed("do it", err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	if err := failed("do it", gocql.ErrSessionClosed); !errors.Is(err, errClosed) {
		t.Errorf("a closed session: %v", err)
	}
	if failed("do it", nil) != nil {
		t.Error("an error of nothing")
	}
}

// TestRefused: only what is certain not to have been written is not in doubt.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&gocql.RequestErrUnavailable{Consistency: gocql.LocalSerial}, true},
		{&gocql.RequestErrUnavailable{Consistency: gocql.Serial}, true},
		{&gocql.RequestErrUnavailable{Consistency: gocql.LocalQuorum}, false}, // of the commit: replicas have accepted it
		{gocql.ErrNoConnections, true},
		{gocql.ErrNoStreams, true},
		{served(gocql.ErrCodeOverloaded), true},
		{served(gocql.ErrCodeInvalid), true},
		{&gocql.RequestErrWriteTimeout{WriteType: "CAS"}, false},
		{&gocql.RequestErrWriteTimeout{WriteType: "SIMPLE"}, false},
		{&gocql.RequestErrCASWriteUnknown{}, false},
		{served(gocql.ErrCodeServer), false},
		{served(gocql.ErrCodeWriteFailure), false},
		{served(gocql.ErrCodeReadTimeout), false},
		{gocql.ErrTimeoutNoResponse, false},
		{gocql.ErrConnectionClosed, false},
		{io.EOF, false},
		{context.Canceled, false},
	} {
		if got := refused(fmt.Errorf("wrapped: %w", test.err)); got != test.want {
			t.Errorf("%T %v: %v, want %v", test.err, test.err, got, test.want)
		}
	}
}

func TestRetries(t *testing.T) {
	for err, want := range map[error]gocql.RetryType{
		served(gocql.ErrCodeInvalid):     gocql.Rethrow,
		served(gocql.ErrCodeSyntax):      gocql.Rethrow,
		served(gocql.ErrCodeReadTimeout): gocql.RetryNextHost,
		gocql.ErrTimeoutNoResponse:       gocql.RetryNextHost,
		io.EOF:                           gocql.RetryNextHost,
	} {
		if got := (retry{}).GetRetryType(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	for err, want := range map[error]string{
		served(gocql.ErrCodeUnavailable):  "unavailable",
		served(gocql.ErrCodeWriteTimeout): "server_timeout",
		served(gocql.ErrCodeReadFailure):  "replica_failure",
		served(gocql.ErrCodeInvalid):      "refused",
		gocql.ErrTimeoutNoResponse:        "client_timeout",
		gocql.ErrNoConnections:            "no_connections",
		gocql.ErrConnectionClosed:         "connection",
		context.Canceled:                  "cancelled",
		io.EOF:                            "other",
	} {
		if got := errorKind(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
