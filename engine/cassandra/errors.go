package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// What an error of Open or Migrate is about; each is wrapped in an error with a
// SQLSTATE and a hint.
var (
	// ErrUnreachable reports that no server answered (08006). Try again later.
	ErrUnreachable = errors.New("cassandra: no server can be reached")
	// ErrAuthentication reports a wrong or missing password (28P01, 28000), or
	// that client and server do not trust each other's certificates (28000).
	ErrAuthentication = errors.New("cassandra: authentication failed")
	// ErrProtocol reports a server that does not speak protocol version 4 (08P01).
	ErrProtocol = errors.New("cassandra: no common protocol version")
	// ErrDataCentre reports a LocalDC that the cluster does not have (22023).
	ErrDataCentre = errors.New("cassandra: no such data centre")
	// ErrKeyspaceMissing reports that the keyspace is not there (3D000).
	ErrKeyspaceMissing = errors.New("cassandra: no such keyspace")
	// ErrSchemaOld reports a keyspace without the tables, or with those of an
	// older program (55000): migrate.
	ErrSchemaOld = errors.New("cassandra: schema is missing or old")
	// ErrSchemaNewer reports a keyspace that only newer programs may use (55000).
	ErrSchemaNewer = errors.New("cassandra: schema is of a newer program")
)

// errClosed is what calls on a closed store return; it wraps fs.ErrClosed.
var errClosed = fmt.Errorf("cassandra: store is closed: %w", fs.ErrClosed)

// Retryable tells whether what failed to open may be opened later: servers are
// down, slow or not enough of them. That is also so if the outcome of a write is
// unknown, since opening looks for what it finds done.
func Retryable(err error) bool {
	switch pgerr.Code(err) {
	case pgerr.IOError, pgerr.ConnectionFailure, pgerr.OutcomeUnknown:
		return true
	}
	return false
}

// doubtful marks an error after which a conditional write may be found done,
// now or later.
type doubtful struct{ error }

func (d doubtful) Unwrap() error { return d.error }

func isDoubtful(err error) bool {
	var d doubtful
	return errors.As(err, &d)
}

// outcomeUnknown returns the 40003 error for a write that nobody knows the end of.
func outcomeUnknown(cause error, what string, args ...any) error {
	e := pgerr.New(pgerr.OutcomeUnknown, "it is not known what became of %s: %v", fmt.Sprintf(what, args...), cause)
	e.Cause = cause
	return e
}

// corrupt returns an XX001 error that wraps chunk.ErrCorrupt.
func corrupt(format string, args ...any) error {
	e := pgerr.New(pgerr.DataCorrupted, format, args...)
	e.Cause = chunk.ErrCorrupt
	return e
}

// failed says why a request failed: 58030 with a hint if it may work later.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	var pe *pgerr.Error
	if errors.As(err, &pe) || errors.Is(err, context.Canceled) || errors.Is(err, errClosed) {
		return err
	}
	if errors.Is(err, gocql.ErrSessionClosed) {
		return errClosed
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("Cassandra: %s: %w", strings.ReplaceAll(op, "_", " "), err)
	}
	e := describe(strings.ReplaceAll(op, "_", " "), err)
	e.Cause = err
	if e.Code == pgerr.IOError {
		e.Hint = "Try again: the cluster may be busy, or servers of it down."
	}
	return e
}

// describe turns what the driver and the servers say into words.
func describe(op string, err error) *pgerr.Error {
	var (
		unavailable  *gocql.RequestErrUnavailable
		writeTimeout *gocql.RequestErrWriteTimeout
		readTimeout  *gocql.RequestErrReadTimeout
		writeFailure *gocql.RequestErrWriteFailure
		readFailure  *gocql.RequestErrReadFailure
		casUnknown   *gocql.RequestErrCASWriteUnknown
	)
	answered := func(what string, level gocql.Consistency, received, required int) *pgerr.Error {
		return pgerr.New(pgerr.IOError, "Cassandra: %s: %s", op, what).
			WithDetail("Consistency level %v needs %d replicas, %d answered.", level, required, received)
	}
	switch {
	case errors.As(err, &unavailable):
		return pgerr.New(pgerr.IOError, "Cassandra: %s: not enough replicas are up", op).
			WithDetail("Consistency level %v needs %d replicas, %d are up.", unavailable.Consistency, unavailable.Required, unavailable.Alive)
	case errors.As(err, &writeTimeout):
		return answered("replicas did not acknowledge a write in time", writeTimeout.Consistency, writeTimeout.Received, writeTimeout.BlockFor)
	case errors.As(err, &casUnknown):
		return answered("replicas did not decide a conditional write in time", casUnknown.Consistency, casUnknown.Received, casUnknown.BlockFor)
	case errors.As(err, &readTimeout):
		return answered("replicas did not answer a read in time", readTimeout.Consistency, readTimeout.Received, readTimeout.BlockFor)
	case errors.As(err, &writeFailure):
		return answered(fmt.Sprintf("a write failed on %d replicas", writeFailure.NumFailures), writeFailure.Consistency, writeFailure.Received, writeFailure.BlockFor)
	case errors.As(err, &readFailure):
		return answered(fmt.Sprintf("a read failed on %d replicas", readFailure.NumFailures), readFailure.Consistency, readFailure.Received, readFailure.BlockFor)
	}
	code := pgerr.IOError
	if c, ok := serverCode(err); ok {
		switch c {
		case gocql.ErrCodeUnauthorized:
			code = pgerr.InsufficientPrivilege
		case gocql.ErrCodeInvalid, gocql.ErrCodeSyntax, gocql.ErrCodeConfig, gocql.ErrCodeFunctionFailure, gocql.ErrCodeAlreadyExists:
			code = pgerr.InternalError // we sent what the server does not take
		}
	}
	return pgerr.New(code, "Cassandra: %s: %v", op, err)
}

func serverCode(err error) (int, bool) {
	var r gocql.RequestError
	if !errors.As(err, &r) {
		return 0, false
	}
	return r.Code(), true
}

// refused tells whether a conditional write that failed with err is certain not
// to be done: it was never sent, or no replica was asked to take it. Unavailable
// comes before a proposal if it names the serial level; with the commit's level
// it comes after replicas have accepted it.
func refused(err error) bool {
	if errors.Is(err, gocql.ErrNoConnections) || errors.Is(err, gocql.ErrNoStreams) || errors.Is(err, gocql.ErrSessionClosed) {
		return true
	}
	var unavailable *gocql.RequestErrUnavailable
	if errors.As(err, &unavailable) {
		return unavailable.Consistency == gocql.Serial || unavailable.Consistency == gocql.LocalSerial
	}
	switch code, ok := serverCode(err); {
	case !ok:
		return false
	case code == gocql.ErrCodeOverloaded, code == gocql.ErrCodeBootstrapping, code == gocql.ErrCodeUnauthorized,
		code == gocql.ErrCodeInvalid, code == gocql.ErrCodeSyntax:
		return true
	}
	return false
}

// errorKind names an error's kind for the metrics.
func errorKind(err error) string {
	var netErr net.Error
	if errors.Is(err, context.Canceled) {
		return "cancelled"
	}
	if code, ok := serverCode(err); ok {
		switch code {
		case gocql.ErrCodeUnavailable:
			return "unavailable"
		case gocql.ErrCodeWriteTimeout, gocql.ErrCodeReadTimeout, gocql.ErrCodeCASWriteUnknown:
			return "server_timeout"
		case gocql.ErrCodeOverloaded:
			return "overloaded"
		case gocql.ErrCodeWriteFailure, gocql.ErrCodeReadFailure:
			return "replica_failure"
		}
		return "refused"
	}
	switch {
	case errors.Is(err, gocql.ErrTimeoutNoResponse), errors.Is(err, context.DeadlineExceeded):
		return "client_timeout"
	case errors.Is(err, gocql.ErrNoConnections):
		return "no_connections"
	case errors.Is(err, gocql.ErrConnectionClosed), errors.As(err, &netErr):
		return "connection"
	}
	return "other"
}
