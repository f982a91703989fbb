package exec

import "sync/atomic"

// A TempQuota bounds the bytes of temporary files that there are at a time: of a session, below one of
// the server. It is safe for concurrent use.
type TempQuota struct {
	limit  atomic.Int64 // none below 0
	used   atomic.Int64
	parent *TempQuota
	full   func(limitBytes int64) error
}

// NewTempQuota returns a quota without a limit that also counts against parent, if there is one; full is
// the error of a limit that is reached.
func NewTempQuota(parent *TempQuota, full func(limitBytes int64) error) *TempQuota {
	q := &TempQuota{parent: parent, full: full}
	q.limit.Store(-1)
	return q
}

// SetLimit bounds what is written from now on; below 0 there is no limit.
func (q *TempQuota) SetLimit(bytes int64) { q.limit.Store(bytes) }

// Used returns the bytes of the files that there are.
func (q *TempQuota) Used() int64 { return q.used.Load() }

// Of makes files that count.
func (q *TempQuota) Of(files TempFiles) TempFiles { return &countedFiles{files, q} }

// take counts n bytes more, or none if there is no room for them.
func (q *TempQuota) take(n int64) error {
	for p := q; p != nil; p = p.parent {
		used, limit := p.used.Add(n), p.limit.Load()
		if limit < 0 || used <= limit {
			continue
		}
		for back := q; ; back = back.parent {
			back.used.Add(-n)
			if back == p {
				return p.full(limit)
			}
		}
	}
	return nil
}

func (q *TempQuota) give(n int64) {
	for p := q; p != nil; p = p.parent {
		p.used.Add(-n)
	}
}

type countedFiles struct {
	TempFiles
	quota *TempQuota
}

// Create implements TempFiles.
func (c *countedFiles) Create() (TempFile, error) {
	f, err := c.TempFiles.Create()
	if err != nil {
		return nil, err
	}
	return &countedFile{TempFile: f, quota: c.quota}, nil
}

// A countedFile is written and closed by one goroutine.
type countedFile struct {
	TempFile
	quota *TempQuota
	bytes int64
}

func (f *countedFile) Write(b []byte) (int, error) {
	if err := f.quota.take(int64(len(b))); err != nil {
		return 0, err
	}
	f.bytes += int64(len(b))
	return f.TempFile.Write(b)
}

func (f *countedFile) Close() error {
	f.quota.give(f.bytes)
	f.bytes = 0
	return f.TempFile.Close()
}
