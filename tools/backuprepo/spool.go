package backuprepo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/phyllodb/phyllo/engine/backup"
)

// memorySpool is the size from which on an object is kept in a file until it is uploaded.
const memorySpool = 8 << 20

// A Spool holds an object whose name is known only when all of it has been seen. It is
// used by one goroutine at a time.
type Spool struct {
	body
	hash backup.Hash
	file *os.File // nil: it is in memory
}

// NewSpool reads size bytes. The caller closes it.
func NewSpool(r io.Reader, size int64) (*Spool, error) {
	s := &Spool{}
	sum := sha256.New()
	r = io.TeeReader(io.LimitReader(r, size), sum)
	var err error
	if size <= memorySpool {
		data := make([]byte, size)
		_, err = io.ReadFull(r, data)
		s.body = bytes.NewReader(data)
	} else {
		err = s.toFile(r, size)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	copy(s.hash[:], sum.Sum(nil))
	return s, nil
}

func (s *Spool) toFile(r io.Reader, size int64) (err error) {
	if s.file, err = os.CreateTemp("", "phyllo-backup-"); err != nil {
		return err
	}
	// Without a name it goes with the process, however that ends.
	if err := os.Remove(s.file.Name()); err != nil {
		return err
	}
	n, err := io.Copy(s.file, r)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	s.body = io.NewSectionReader(s.file, 0, size)
	return err
}

// Hash returns the hash of what was read.
func (s *Spool) Hash() backup.Hash { return s.hash }

// Close frees what the spool takes.
func (s *Spool) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
