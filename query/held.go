package query

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/exec"
)

// What a session keeps between its statements is bounded here: the bytes of its temporary files, and
// those of its prepared statements and cursors.

// newServerQuota bounds the temporary files of all sessions; 0 is no bound.
func newServerQuota(bytes int64) *exec.TempQuota {
	q := exec.NewTempQuota(nil, func(limit int64) error {
		return pgerr.New(pgerr.ConfigLimitExceeded, "temporary file size exceeds limits.temp_mib (%dMiB)", limit>>20).
			WithDetail("The temporary files of all sessions count.").WithHint("Try again later, or raise limits.temp_mib.")
	})
	if bytes > 0 {
		q.SetLimit(bytes)
	}
	return q
}

func newSessionQuota(server *exec.TempQuota) *exec.TempQuota {
	return exec.NewTempQuota(server, func(limit int64) error {
		return pgerr.New(pgerr.ConfigLimitExceeded, "temporary file size exceeds temp_file_limit (%dkB)", limit>>10)
	})
}

// tempFiles are the files that a statement spills to.
func (s *Session) tempFiles() exec.TempFiles {
	limit := s.intSetting("temp_file_limit")
	if limit >= 0 {
		limit <<= 10
	}
	s.tempQuota.SetLimit(limit)
	return s.tempQuota.Of(s.engine.temp)
}

const (
	// treeBytes is about what a byte of a statement's text takes when it has been parsed.
	treeBytes = 16
	// keptBytes is about what any statement or cursor takes beside that.
	keptBytes = 4 << 10
)

// sizeBytes estimates what a prepared statement takes.
func (p *Prepared) sizeBytes() int64 { return keptBytes + treeBytes*int64(len(p.text)) }

// sizeBytes estimates what a cursor takes beside its rows, which count as those of any query.
func (p *Portal) sizeBytes() int64 {
	n := int64(keptBytes)
	if p.cursor != nil {
		n += treeBytes * int64(len(p.stmt.text))
	}
	for _, v := range p.params {
		n += paramBytes(v)
	}
	return n
}

func paramBytes(v datum.Value) int64 {
	const boxed = 32
	switch v := v.(type) {
	case string:
		return boxed + int64(len(v))
	case []byte:
		return boxed + int64(len(v))
	case datum.Array:
		n := int64(boxed)
		for _, e := range v.Values {
			n += paramBytes(e)
		}
		return n
	}
	return boxed
}

// checkHeld fails if there is no room for n bytes more of prepared statements and cursors. Those without
// a name do not count: there is one of each.
func (s *Session) checkHeld(n int64) error {
	for name, p := range s.prepared {
		if name != "" {
			n += p.sizeBytes()
		}
	}
	for name, p := range s.portals {
		if name != "" {
			n += p.sizeBytes()
		}
	}
	if kB := s.intSetting("phyllo.session_memory"); n > kB<<10 {
		return pgerr.New(pgerr.ConfigLimitExceeded, "prepared statements and cursors exceed phyllo.session_memory (%dkB)", kB).
			WithHint("Use DEALLOCATE and CLOSE for those that are not needed any more.")
	}
	return nil
}
