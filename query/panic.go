package query

import "github.com/phyllodb/phyllo/internal/panics"

// caught is deferred by what the client calls: a panic fails the statement as an
// error does, and the session goes on. What the statement had made of its transaction
// is rolled back with it.
func (s *Session) caught(err *error) {
	if p := recover(); p != nil {
		*err = s.Fail(panics.Of(p))
	}
}
