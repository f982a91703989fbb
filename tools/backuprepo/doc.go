// Package backuprepo keeps backups in a folder or in a bucket of an S3-compatible store.
//
// A repository has three kinds of objects: chunks, which many backups may share and which
// are never changed; the documents of backups, each written when all chunks that it names
// are durable; and locks (lock.go). So whatever is interrupted, a backup is there as a
// whole or not at all, and what was uploaded serves the next one. Any number of servers
// may have their backups in one repository: chunk IDs are unique.
package backuprepo

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// An Object is what a list says of one.
type Object struct {
	Name     string // with slashes
	Size     int64
	Modified time.Time // by the clock of where it is kept
}

// objects is where a repository is kept. It is safe for concurrent use. Methods try again
// by themselves what may pass.
type objects interface {
	// put makes an object durable, whole or not at all, in place of one of that name.
	put(ctx context.Context, name string, body body) error
	// open reads an object; fs.ErrNotExist if there is none.
	open(ctx context.Context, name string) (io.ReadCloser, error)
	// list yields the objects whose names begin with a folder's, which ends in a slash;
	// all if it is empty. A failure is the last pair.
	list(ctx context.Context, folder string) iter.Seq2[Object, error]
	// remove deletes an object; that there is none is no error.
	remove(ctx context.Context, name string) error
	// tidy removes what interrupted puts left. Nobody may be putting.
	tidy(ctx context.Context) error
}

// A body is what is put. It is read from its beginning, maybe more than once.
type body interface {
	io.ReadSeeker
	io.ReaderAt
	Size() int64
}

// S3Scheme begins the address of a repository in a bucket: s3://BUCKET/PREFIX.
const S3Scheme = "s3://"

// Options say how to reach a repository.
type Options struct {
	S3 S3Options
}

// Open opens the repository at an address: a folder, or s3://BUCKET/PREFIX. Nothing is
// written; Create makes a repository.
func Open(address string, o Options) (*Repository, error) {
	r := &Repository{address: address, refresh: lockRefresh}
	var err error
	switch {
	case strings.HasPrefix(address, S3Scheme):
		r.objects, err = openS3(address, o.S3)
	case strings.Contains(address, "://"):
		err = fmt.Errorf("a repository of backups is a folder or %sBUCKET/PREFIX, not %s", S3Scheme, address)
	case o.S3 != (S3Options{}):
		err = fmt.Errorf("settings of S3 are given for the folder %s", address)
	default:
		r.objects = &folder{dir: address}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}
