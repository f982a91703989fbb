package cassandra

import (
	"context"
	"errors"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/semaphore"
)

const (
	reconnectInterval = time.Second // between attempts to reach a server that is down
	maxRetries        = 2           // of reads and of plain writes, at other servers
	logPageRows       = 64          // so that a page of rows of InlineBytes stays below 16 MiB
	namePageRows      = 5000
)

// retry sends reads and plain writes, which are idempotent, to another server
// when that may help. It is off for conditional writes.
type retry struct{}

// Attempt implements gocql.RetryPolicy.
func (retry) Attempt(q gocql.RetryableQuery) bool { return q.Attempts() <= maxRetries }

// GetRetryType implements gocql.RetryPolicy.
func (retry) GetRetryType(err error) gocql.RetryType {
	switch code, ok := serverCode(err); {
	case !ok: // connections that broke, answers that did not come
		return gocql.RetryNextHost
	case code == gocql.ErrCodeInvalid, code == gocql.ErrCodeSyntax, code == gocql.ErrCodeUnauthorized, code == gocql.ErrCodeConfig:
		return gocql.Rethrow
	}
	return gocql.RetryNextHost
}

// A read is a request that changes nothing.
type read struct {
	op    string
	text  string
	args  []any
	level gocql.Consistency
	rows  int    // page size; 0: one row is wanted
	host  string // ID of the server to ask; empty: any
}

func (s *Store) prepareRead(r read) *gocql.Query {
	q := s.session.Query(r.text, r.args...).Consistency(r.level).Idempotent(true).RetryPolicy(retry{}).SetHostID(r.host)
	if r.rows > 0 {
		q = q.PageSize(r.rows)
	}
	return q
}

// row reads the first row into dest and tells whether there was one.
func (s *Store) row(ctx context.Context, r read, dest ...any) (bool, error) {
	start := time.Now()
	var err error
	serial := r.level == gocql.Serial || r.level == gocql.LocalSerial
	if s.opts.SpeculativeDelay > 0 && !serial && r.host == "" {
		err = s.hedged(ctx, r, dest)
	} else {
		err = s.prepareRead(r).ScanContext(ctx, dest...)
	}
	if errors.Is(err, gocql.ErrNotFound) {
		s.metrics.observe(r.op, start, nil)
		return false, nil
	}
	s.metrics.observe(r.op, start, err)
	return err == nil, failed(r.op, ended(ctx, err))
}

// rows calls scan for each row, until it returns false.
func (s *Store) rows(ctx context.Context, r read, scan func(scan func(dest ...any) error) (bool, error)) error {
	start := time.Now()
	scanner := s.prepareRead(r).IterContext(ctx).Scanner()
	more, err := true, error(nil)
	for more && err == nil && scanner.Next() {
		more, err = scan(scanner.Scan)
	}
	if cerr := scanner.Err(); err == nil {
		err = cerr
	}
	s.metrics.observe(r.op, start, err)
	return failed(r.op, ended(ctx, err))
}

// ended prefers the reason why a context ended to what the driver made of it.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// write does a plain, idempotent write. Its time decides between writes of one
// cell; 0 is now.
func (s *Store) write(ctx context.Context, op string, micros int64, text string, args ...any) error {
	if micros == 0 {
		micros = s.clock.now()
	}
	start := time.Now()
	err := s.session.Query(text, args...).Consistency(s.levels.write).Idempotent(true).RetryPolicy(retry{}).
		WithTimestamp(micros).ExecContext(ctx)
	s.metrics.observe(op, start, err)
	return failed(op, ended(ctx, err))
}

// A statement is one of a batch.
type statement struct {
	text string
	args []any
}

// writeTogether does plain, idempotent writes to one partition in one request.
func (s *Store) writeTogether(ctx context.Context, op string, micros int64, all []statement) error {
	if len(all) == 1 {
		return s.write(ctx, op, micros, all[0].text, all[0].args...)
	}
	b := s.session.Batch(gocql.UnloggedBatch).Consistency(s.levels.write).RetryPolicy(retry{}).WithTimestamp(micros).SetKeyspace(s.opts.Keyspace)
	for _, st := range all {
		b.Entries = append(b.Entries, gocql.BatchEntry{Stmt: st.text, Args: st.args, Idempotent: true})
	}
	start := time.Now()
	err := b.ExecContext(ctx)
	s.metrics.observe(op, start, err)
	return failed(op, ended(ctx, err))
}

// swap does a conditional write, once: of all to one partition, or of none. It
// returns what the condition saw if it did not hold. An error is marked
// doubtful unless it is certain that nothing was, or will be, written.
func (s *Store) swap(ctx context.Context, op string, all ...statement) (applied bool, seen map[string]any, err error) {
	start := time.Now()
	seen = map[string]any{}
	if len(all) == 1 {
		applied, err = s.session.Query(all[0].text, all[0].args...).Consistency(s.levels.write).SerialConsistency(s.levels.serial).
			RetryPolicy(nil).DefaultTimestamp(false).MapScanCASContext(ctx, seen)
	} else {
		b := s.session.Batch(gocql.UnloggedBatch).Consistency(s.levels.write).SerialConsistency(s.levels.serial).
			RetryPolicy(nil).DefaultTimestamp(false).SetKeyspace(s.opts.Keyspace)
		for _, st := range all {
			b.Query(st.text, st.args...)
		}
		var iter *gocql.Iter
		applied, iter, err = b.MapExecCASContext(ctx, seen)
		if iter != nil {
			if cerr := iter.Close(); err == nil {
				err = cerr
			}
		}
	}
	s.metrics.observe(op, start, err)
	if err == nil {
		return applied, seen, nil
	}
	certain := refused(err)
	err = failed(op, ended(ctx, err))
	if !certain {
		err = doubtful{err}
	}
	return false, nil, err
}

// A limiter bounds requests under way in number and in bytes.
type limiter struct {
	requests, bytes *semaphore.Weighted
	most            int64
}

func newLimiter(requests int, bytes int64) *limiter {
	return &limiter{semaphore.NewWeighted(int64(requests)), semaphore.NewWeighted(bytes), bytes}
}

// take waits until a request of that size may be sent; give ends it.
func (l *limiter) take(ctx context.Context, bytes int64) (give func(), err error) {
	bytes = min(bytes, l.most)
	if err := l.requests.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := l.bytes.Acquire(ctx, bytes); err != nil {
		l.requests.Release(1)
		return nil, err
	}
	return func() {
		l.bytes.Release(bytes)
		l.requests.Release(1)
	}, nil
}

// pause waits before try number n of something, with jitter, or until ctx ends.
func pause(ctx context.Context, n int) error {
	t := time.NewTimer(backoff(n))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
