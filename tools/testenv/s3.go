package testenv

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// An S3 is an S3-compatible store in the test's own process, with a bucket called
// "bucket", that checks signatures. Its requests can fail.
type S3 struct {
	URL string

	every, asked, failed atomic.Int64
}

// StartS3 starts a store that ends with the test, and sets the keys for it in the
// environment.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	s, backend := &S3{}, plainLists{s3mem.New()}
	if err := backend.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	store := gofakes3.New(backend, gofakes3.WithV4Auth(map[string]string{"the-key": "the-secret"}), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		every := s.every.Load()
		switch {
		case every == 0 || s.asked.Add(1)%every != 0:
			store.ServeHTTP(w, r)
		case s.failed.Add(1)%2 == 0:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			http.Error(w, `<Error><Code>SlowDown</Code><Message>busy</Message></Error>`, http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "the-key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
	s.URL = server.URL
	return s
}

// FailEvery makes each n-th request fail from now on: in turn the store is busy, and the
// connection breaks.
func (s *S3) FailEvery(n int64) { s.every.Store(n) }

// Failed returns how many requests failed.
func (s *S3) Failed() int64 { return s.failed.Load() }

// plainLists takes a delimiter that is empty for none, as S3 does and the library does not.
type plainLists struct{ *s3mem.Backend }

func (b plainLists) ListBucket(ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	prefix.HasDelimiter = prefix.Delimiter != ""
	return b.Backend.ListBucket(ctx, name, prefix, page)
}
